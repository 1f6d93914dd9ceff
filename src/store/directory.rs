//! Objects in a directory: a file each, below folders as their keys say.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::compared::Compared;
use super::{Condition, Form, Listing, Object, Put, Store, StoreError, Write, durable};

/// A directory of objects, which is made when the first one is put. Only one process may write to it at a
/// time: conditions are looked at before the write, not with it. Files whose names begin with a dot are
/// no objects.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The objects below `root`, which need not be there.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn failed(&self, action: &'static str, key: &str) -> impl FnOnce(io::Error) -> StoreError {
        let name = self.name(key);
        move |reason| StoreError { action, name, reason }
    }

    /// Where the object of a key is.
    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }
}

impl Store for Directory {
    fn check(&self) -> Result<(), StoreError> {
        durable::create(&self.root).map_err(self.failed("make", ""))?;
        self.list("").map(|_| ())
    }

    fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Listing::default()),
            entries => entries.map_err(self.failed("list", folder))?,
        };
        let mut listing = Listing::default();
        for entry in entries {
            let entry = entry.map_err(self.failed("list", folder))?;
            let name = entry.file_name();
            // A key is text; a file of another name was not put here.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let key = format!("{folder}{name}");
            // What a link leads to counts, as when a path is given.
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => listing.folders.push(key + "/"),
                Ok(metadata) => listing.objects.push(Object { key, bytes: metadata.len() }),
                // Taken away meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => (),
                Err(error) => return Err(self.failed("list", &key)(error)),
            }
        }
        listing.folders.sort();
        listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listing)
    }

    fn walk<'a>(
        &'a self,
        prefix: &str,
    ) -> Box<dyn Iterator<Item = Result<Object, StoreError>> + Send + 'a> {
        let folder = prefix.rfind('/').and_then(|at| prefix.get(..=at)).unwrap_or_default();
        let mut walk = Walk { store: self, prefix: prefix.to_owned(), left: Vec::new() };
        walk.left.push(Left::Folder(folder.to_owned()));
        Box::new(walk)
    }

    fn read(&self, object: &Object, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let open = || {
            let mut file = File::open(self.path(&object.key))?;
            file.seek(SeekFrom::Start(from))?;
            Ok(file)
        };
        Ok(Box::new(open().map_err(self.failed("read", &object.key))?))
    }

    fn put(&self, key: &str, form: Form, write: Write<'_>) -> Result<Put, StoreError> {
        let path = self.path(key);
        match form.condition {
            Condition::Absent if path.exists() => {
                let there = File::open(&path).map_err(self.failed("read", key))?;
                let is_same = Compared::is_same(BufReader::new(there), write);
                let is_same = is_same.map_err(self.failed("compare", key))?;
                return Ok(if is_same { Put::Done } else { Put::Kept });
            }
            Condition::NotNewerThan(version) if version_of(&path) > Some(version) => {
                return Ok(Put::Kept);
            }
            _ => (),
        }
        let folder = path.parent().unwrap_or(&self.root);
        let hidden = self.path(&hidden(key));
        let written = durable::create(folder).and_then(|()| {
            let file = File::create(&hidden)?;
            write(&mut &file)?;
            if let Condition::NotNewerThan(version) = form.condition {
                file.set_modified(UNIX_EPOCH + Duration::from_millis(version))?;
            }
            file.sync_all()?;
            fs::rename(&hidden, &path)?;
            durable::sync(folder)
        });
        if let Err(reason) = written {
            // On a full disk it would take the place that others need.
            _ = fs::remove_file(&hidden);
            return Err(self.failed("write", key)(reason));
        }
        Ok(Put::Done)
    }

    fn remove(&self, key: &str, version: u64) -> Result<Put, StoreError> {
        let path = self.path(key);
        if version_of(&path) > Some(version) {
            return Ok(Put::Kept);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.failed("remove", key)(error))
            }
            _ => Ok(Put::Done),
        }
    }

    fn name(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }
}

/// The version of the object at `path`, where there is one: the time of its file.
fn version_of(path: &Path) -> Option<u64> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_millis() as u64)
}

/// The key under which an object is written, until it is whole.
fn hidden(key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.{name}"),
        None => format!(".{key}"),
    }
}

/// What is still to be walked.
enum Left {
    Folder(String),
    Object(Object),
}

impl Left {
    fn key(&self) -> &str {
        match self {
            Self::Folder(key) | Self::Object(Object { key, .. }) => key,
        }
    }
}

/// Objects, depth first in the order of their keys.
struct Walk<'a> {
    store: &'a Directory,
    prefix: String,
    /// The next one is last.
    left: Vec<Left>,
}

impl Walk<'_> {
    /// Puts what is in a folder in its place.
    fn enter(&mut self, folder: &str) -> Result<(), StoreError> {
        let Listing { folders, objects } = self.store.list(folder)?;
        let folders = folders.into_iter().map(Left::Folder);
        let mut inside: Vec<_> = folders.chain(objects.into_iter().map(Left::Object)).collect();
        // A folder that the prefix goes on in, or what goes on from the prefix.
        inside.retain(|left| {
            left.key().starts_with(&self.prefix) || self.prefix.starts_with(left.key())
        });
        inside.sort_by(|a, b| b.key().cmp(a.key()));
        self.left.append(&mut inside);
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Object, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.left.pop()? {
                Left::Object(object) => return Some(Ok(object)),
                Left::Folder(folder) => {
                    if let Err(error) = self.enter(&folder) {
                        self.left.clear();
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { content_type: "text/plain", condition: Condition::Always, acl: None };

    fn put(store: &Directory, key: &str, text: &str, form: Form) -> Put {
        store.put(key, form, &mut |out| out.write_all(text.as_bytes())).unwrap()
    }

    fn keys(store: &Directory, prefix: &str) -> Vec<String> {
        store.walk(prefix).map(|object| object.unwrap().key).collect()
    }

    #[test]
    fn objects_are_walked_in_the_order_of_their_keys() {
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().join("archive"));
        assert!(keys(&store, "").is_empty());
        for key in ["b/c/2", "b.x", "b/c/10", "a", "b/0", "c/d"] {
            assert_eq!(put(&store, key, key, FORM), Put::Done);
        }
        fs::write(root.path().join("archive/b/.hidden"), "").unwrap();
        assert_eq!(keys(&store, ""), ["a", "b.x", "b/0", "b/c/10", "b/c/2", "c/d"]);
        assert_eq!(keys(&store, "b"), ["b.x", "b/0", "b/c/10", "b/c/2"]);
        assert_eq!(keys(&store, "b/c/"), ["b/c/10", "b/c/2"]);
        assert_eq!(keys(&store, "b/c/1"), ["b/c/10"]);
        let listing = store.list("b/").unwrap();
        assert_eq!(listing.folders, ["b/c/"]);
        assert_eq!(listing.objects, [Object { key: "b/0".to_owned(), bytes: 3 }]);
    }

    #[test]
    fn an_object_is_read_from_an_offset_and_is_put_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().to_owned());
        put(&store, "a/b", "first", FORM);
        let absent = Form { condition: Condition::Absent, ..FORM };
        for (text, expected) in
            [("first", Put::Done), ("fir", Put::Kept), ("first!", Put::Kept), ("other", Put::Kept)]
        {
            assert_eq!(put(&store, "a/b", text, absent), expected, "{text}");
        }
        let failed = store.put("a/b", FORM, &mut |out| {
            out.write_all(b"half")?;
            Err(ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().reason.kind(), ErrorKind::StorageFull);
        let object = Object { key: "a/b".to_owned(), bytes: 5 };
        let mut text = String::new();
        store.read(&object, 2).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "rst");
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
        store.remove("a/b", u64::MAX).unwrap();
        store.remove("a/b", u64::MAX).unwrap();
        assert_eq!(store.read(&object, 0).err().unwrap().reason.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn an_object_of_an_older_version_does_not_replace_a_newer_one() {
        let root = tempfile::tempdir().unwrap();
        let store = Directory::new(root.path().to_owned());
        for (version, expected, stays) in
            [(20, Put::Done, 20), (19, Put::Kept, 20), (20, Put::Done, 20), (21, Put::Done, 21)]
        {
            let form = Form { condition: Condition::NotNewerThan(version), ..FORM };
            assert_eq!(put(&store, "a", &version.to_string(), form), expected, "{version}");
            assert_eq!(fs::read_to_string(root.path().join("a")).unwrap(), stays.to_string());
        }
    }
}
