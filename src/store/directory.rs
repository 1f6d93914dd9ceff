//! A store in a directory: one file per object, and a subdirectory per slash in its key.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tracing::warn;

use super::compare_writer::CompareWriter;
use super::interface::{
    Condition, Listing, Object, PutOptions, Store, StoreError, WriteBody, WriteOutcome,
};
use super::walk::Walk;
use crate::disk;
use crate::file_id::{FileId, is_link_loop};

/// A directory of objects, created by the first put.
///
/// Only one process may write to it at a time: a condition is checked before the write, not atomically
/// with it. Files whose names begin with a dot are not objects.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The store in the directory `root`, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn failed(&self, action: &'static str, key: &str) -> impl FnOnce(io::Error) -> StoreError {
        let name = self.name(key);
        move |reason| StoreError { action, name, reason }
    }

    /// The path of the object with this key.
    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Writes the object's file under a hidden name, syncs it, and renames it.
    fn write(&self, key: &str, options: PutOptions, write: WriteBody<'_>) -> io::Result<()> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        let hidden = self.path(&hidden(key));
        let written = disk::create_dir_all(folder).and_then(|()| {
            let file = disk::File::create(&hidden)?;
            write(&mut &file)?;
            if let Condition::NotNewerThan(version) = options.condition {
                file.set_modified(UNIX_EPOCH + Duration::from_millis(version))?;
            }
            file.sync_all()?;
            disk::rename(&hidden, &path)?;
            disk::sync_dir(folder)
        });
        if written.is_err() {
            // On a full disk, the incomplete file would occupy space that other writes need.
            _ = disk::remove_file(&hidden);
        }
        written
    }
}

impl Store for Directory {
    fn check(&self) -> Result<(), StoreError> {
        disk::create_dir_all(&self.root).map_err(self.failed("create", ""))?;
        self.list("").map(|_| ())
    }

    fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Listing::default()),
            entries => entries.map_err(self.failed("list", folder))?,
        };
        // Ids of the folder and of all folders above it, up to the root. A link to one of them is a loop.
        let parents = Path::new(folder).ancestors().map(|folder| self.root.join(folder));
        let parents: Vec<_> =
            parents.filter_map(|path| Some(FileId::from(&fs::metadata(path).ok()?))).collect();
        let mut listing = Listing::default();
        for entry in entries {
            let entry = entry.map_err(self.failed("list", folder))?;
            let name = entry.file_name();
            // Keys are valid UTF-8, so a file with another name is not an object of this store.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let key = format!("{folder}{name}");
            // Symbolic links are followed, as they are in paths that users give.
            match fs::metadata(entry.path()) {
                Ok(metadata) if parents.contains(&FileId::from(&metadata)) => note_link_loop(&key),
                Err(error) if is_link_loop(&error) => note_link_loop(&key),
                Ok(metadata) if metadata.is_dir() => listing.folders.push(key + "/"),
                Ok(metadata) => {
                    listing.objects.push(Object { key, bytes: metadata.len(), etag: None });
                }
                // Removed since the directory was read.
                Err(error) if error.kind() == ErrorKind::NotFound => (),
                Err(error) => return Err(self.failed("list", &key)(error)),
            }
        }
        listing.folders.sort();
        listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listing)
    }

    fn walk(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        Walk::new(self, prefix).collect()
    }

    fn find(&self, key: &str) -> Result<Option<Object>, StoreError> {
        match fs::metadata(self.path(key)) {
            Ok(metadata) if metadata.is_dir() => Ok(None),
            Ok(metadata) => {
                Ok(Some(Object { key: key.to_owned(), bytes: metadata.len(), etag: None }))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.failed("read", key)(error)),
        }
    }

    fn read(&self, object: &Object, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let open = || {
            let mut file = File::open(self.path(&object.key))?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        };
        Ok(Box::new(open().map_err(self.failed("read", &object.key))?))
    }

    fn put(
        &self,
        key: &str,
        options: PutOptions,
        write: WriteBody<'_>,
    ) -> Result<WriteOutcome, StoreError> {
        let path = self.path(key);
        match options.condition {
            Condition::Absent if path.exists() => {
                let existing = File::open(&path).map_err(self.failed("read", key))?;
                let is_same = CompareWriter::is_same(BufReader::new(existing), write);
                return match is_same.map_err(self.failed("compare", key))? {
                    true => {
                        // A crash can have interrupted the put before its names were durable.
                        let folder = path.parent().unwrap_or(&self.root);
                        let synced =
                            disk::create_dir_all(folder).and_then(|()| disk::sync_dir(folder));
                        synced.map_err(self.failed("write", key))?;
                        Ok(WriteOutcome::Done)
                    }
                    false => Ok(WriteOutcome::PreconditionFailed),
                };
            }
            Condition::NotNewerThan(version) if version_of(&path) > Some(version) => {
                return Ok(WriteOutcome::PreconditionFailed);
            }
            _ => (),
        }
        self.write(key, options, write).map_err(self.failed("write", key))?;
        Ok(WriteOutcome::Done)
    }

    fn remove(&self, key: &str, version: u64) -> Result<WriteOutcome, StoreError> {
        let path = self.path(key);
        if version_of(&path) > Some(version) {
            return Ok(WriteOutcome::PreconditionFailed);
        }
        match disk::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.failed("remove", key)(error))
            }
            _ => Ok(WriteOutcome::Done),
        }
    }

    fn name(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }
}

fn note_link_loop(key: &str) {
    warn!(key, "skipped a symbolic link that leads back to itself");
}

/// The version of the object at `path`, which is the modification time of its file; none without a file.
fn version_of(path: &Path) -> Option<u64> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_millis() as u64)
}

/// The key of the hidden file that an object is written to until it is complete.
fn hidden(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.{name}"),
        None => format!(".{key}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const OPTIONS: PutOptions =
        PutOptions { content_type: "text/plain", condition: Condition::Always, acl: None };

    fn put(store: &Directory, key: &str, text: &str, options: PutOptions) -> WriteOutcome {
        store.put(key, options, &mut |out| out.write_all(text.as_bytes())).unwrap()
    }

    fn keys(store: &Directory, prefix: &str) -> Vec<String> {
        store.walk(prefix).unwrap().into_iter().map(|object| object.key).collect()
    }

    #[test]
    fn walks_objects_in_the_order_of_their_keys() {
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().join("archive"));
        assert!(keys(&store, "").is_empty());
        for key in ["b/c/2", "b.x", "b/c/10", "a", "b/0", "c/d"] {
            assert_eq!(put(&store, key, key, OPTIONS), WriteOutcome::Done);
        }
        fs::write(root.path().join("archive/b/.hidden"), "").unwrap();
        assert_eq!(keys(&store, ""), ["a", "b.x", "b/0", "b/c/10", "b/c/2", "c/d"]);
        assert_eq!(keys(&store, "b"), ["b.x", "b/0", "b/c/10", "b/c/2"]);
        assert_eq!(keys(&store, "b/c/"), ["b/c/10", "b/c/2"]);
        assert_eq!(keys(&store, "b/c/1"), ["b/c/10"]);
        let listing = store.list("b/").unwrap();
        assert_eq!(listing.folders, ["b/c/"]);
        assert_eq!(listing.objects, [Object { key: "b/0".to_owned(), bytes: 3, etag: None }]);
        assert_eq!(store.find("b/0").unwrap().as_ref(), listing.objects.first());
        for no_object in ["b", "b/", "b/0/1", "missing"] {
            assert_eq!(store.find(no_object).unwrap(), None, "{no_object}");
        }
    }

    #[test]
    fn skips_links_that_lead_back_to_themselves() {
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().join("archive"));
        put(&store, "a/x", "x", OPTIONS);
        put(&store, "b/y", "y", OPTIONS);
        let link = |target: &str, key: &str| symlink(target, store.path(key)).unwrap();
        link("..", "a/up");
        link("../b", "a/b");
        link("../a", "b/a");
        link("self", "self");
        assert_eq!(keys(&store, ""), ["a/b/y", "a/x", "b/a/x", "b/y"]);
    }

    #[test]
    fn puts_are_atomic_and_reads_start_at_an_offset() {
        use WriteOutcome::{Done, PreconditionFailed};
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().to_owned());
        put(&store, "a/b", "first", OPTIONS);
        let absent = PutOptions { condition: Condition::Absent, ..OPTIONS };
        for (text, expected) in [
            ("first", Done),
            ("fir", PreconditionFailed),
            ("first!", PreconditionFailed),
            ("other", PreconditionFailed),
        ] {
            assert_eq!(put(&store, "a/b", text, absent), expected, "{text}");
        }
        let failed = store.put("a/b", OPTIONS, &mut |out| {
            out.write_all(b"half")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().reason.kind(), ErrorKind::StorageFull);
        let object = Object { key: "a/b".to_owned(), bytes: 5, etag: None };
        let mut text = String::new();
        store.read(&object, 2).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "rst");
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
        store.remove("a/b", u64::MAX).unwrap();
        store.remove("a/b", u64::MAX).unwrap();
        assert_eq!(store.read(&object, 0).err().unwrap().reason.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn an_older_version_does_not_replace_a_newer_one() {
        use WriteOutcome::{Done, PreconditionFailed};
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().to_owned());
        for (version, expected, stored) in
            [(20, Done, 20), (19, PreconditionFailed, 20), (20, Done, 20), (21, Done, 21)]
        {
            let options = PutOptions { condition: Condition::NotNewerThan(version), ..OPTIONS };
            assert_eq!(put(&store, "a", &version.to_string(), options), expected, "{version}");
            assert_eq!(fs::read_to_string(root.path().join("a")).unwrap(), stored.to_string());
        }
    }
}
