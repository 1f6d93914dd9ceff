//! The archive: closed segments as gzip objects, named the way Firehose names those it delivers.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

use super::error::LogError;
use super::scan::WholeLines;
use crate::ingest::objects;
use crate::store::durable;

/// Half of a line is digits of chance that no level compresses; the fastest wins.
const LEVEL: Compression = Compression::new(1);

/// How much is compressed at a time: what stays in a core's cache.
const READ_BYTES: usize = 256 << 10;

/// How deep objects lie: year, month, day, hour.
const FOLDERS: usize = 4;

/// The end of our uuids: version 8 and variant of RFC 9562, and `velodr` in ASCII.
const UUID_END: &str = "8000-8000-76656c6f6472";

/// An object's name below the archive: the time of its oldest event, then a uuid that begins with
/// the sequence of its segment, so that names sort in the order of the log. 48 bits are enough for
/// a segment a minute for as long as the Earth is old.
pub(super) fn name(oldest_ms: u64, sequence: u64) -> String {
    let (high, low) = (sequence >> 16, sequence & 0xffff);
    objects::name(oldest_ms, &format!("{high:08x}-{low:04x}-{UUID_END}"))
}

/// An object of the archive.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) path: PathBuf,
    pub(super) sequence: u64,
    /// The second of its oldest event, as [`objects::time`] writes it.
    pub(super) time: String,
}

impl Object {
    /// The object at `path`; none where it is not named as ours are.
    fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("velodrome-1-")?;
        let (time, uuid) =
            name.strip_suffix(".gz")?.split_at_checked("YYYY-MM-DD-HH-MM-SS".len())?;
        let uuid = uuid.strip_prefix('-')?.strip_suffix(UUID_END)?;
        let sequence = u64::from_str_radix(&uuid.replace('-', ""), 16).ok()?;
        let time = time.to_owned();
        Some(Self { path, sequence, time })
    }
}

/// The objects of an archive, newest first. Only the folders that are needed are read: an archive
/// grows by half a million objects a year.
pub(super) struct NewestFirst {
    /// What is still to be walked, and how deep it lies; the newest is last.
    left: Vec<(PathBuf, usize)>,
}

impl NewestFirst {
    pub(super) fn new(archive: &Path) -> Self {
        Self { left: vec![(archive.to_owned(), 0)] }
    }

    /// Adds what is in the folder at `path`, which lies `depth` deep.
    fn enter(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let entries = match fs::read_dir(path) {
            Err(error) if depth == 0 && error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut names = entries.map(|e| Ok(e?.file_name())).collect::<io::Result<Vec<_>>>()?;
        let is_folder = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_digit);
        names.retain(|name| depth + 1 > FOLDERS || is_folder(name.as_encoded_bytes()));
        names.sort();
        self.left.extend(names.iter().map(|name| (path.join(name), depth + 1)));
        Ok(())
    }
}

impl Iterator for NewestFirst {
    type Item = Result<Object, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((path, depth)) = self.left.pop() {
            if depth <= FOLDERS {
                if let Err(reason) = self.enter(&path, depth) {
                    return Some(Err(LogError::disk("list", &path)(reason)));
                }
            } else if let Some(object) = Object::at(path) {
                return Some(Ok(object));
            }
        }
        None
    }
}

/// Makes the closed segment at `path` an object of `archive`, durably, and removes the segment.
/// Name and bytes follow from the segment alone: done again after a crash, it comes to the same.
///
/// # Errors
/// What cannot be read or written, a segment without events; the segment stays.
pub(super) fn seal(path: &Path, sequence: u64, archive: &Path) -> Result<(), LogError> {
    let read = LogError::disk("read", path);
    let oldest =
        File::open(path).and_then(|file| WholeLines::new(BufReader::new(file)).next().transpose());
    let oldest = oldest.map_err(read)?.ok_or_else(|| LogError::NoEvents(path.to_owned()))?;
    let name = name(oldest.arrival_ms, sequence);
    let object = archive.join(&name);
    let folder = object.parent().unwrap_or(archive);
    durable::create(folder).map_err(LogError::disk("make", folder))?;
    // An object is there as a whole, as it is in S3, or not at all.
    let hidden = folder.join(format!(".{sequence}.gz"));
    if let Err(reason) = compress(path, &hidden) {
        // On a full disk it would take the place that the log needs.
        _ = fs::remove_file(&hidden);
        return Err(LogError::disk("write", &hidden)(reason));
    }
    fs::rename(&hidden, &object)
        .and_then(|()| durable::sync(folder))
        .map_err(LogError::disk("make", &object))?;
    fs::remove_file(path).map_err(LogError::disk("remove", path))
}

/// Compresses the file at `from` to a durable one at `to`.
fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut text = BufReader::with_capacity(READ_BYTES, File::open(from)?);
    // No name and no time in the header, so that equal lines are equal bytes.
    let mut gzip = GzBuilder::new().write(File::create(to)?, LEVEL);
    io::copy(&mut text, &mut gzip)?;
    gzip.finish()?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_time_and_a_uuid_of_version_8_and_read_back() {
        let sequence = 0x1234_5678_9abc;
        let name = name(1_620_240_001_000, sequence);
        assert_eq!(
            name,
            "2021/05/05/18/velodrome-1-2021-05-05-18-40-01-12345678-9abc-8000-8000-76656c6f6472.gz"
        );
        let object = Object::at(name.into()).unwrap();
        assert_eq!((object.sequence, &object.time[..]), (sequence, "2021-05-05-18-40-01"));
    }

    #[test]
    fn names_of_one_second_sort_by_sequence() {
        let names = [1, 2, 9, 10, 255, 65_535, 65_536, 1 << 40].map(|n| name(1_620_240_001_000, n));
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn objects_are_walked_newest_first_and_others_passed_over() {
        let root = tempfile::tempdir().unwrap();
        assert!(NewestFirst::new(&root.path().join("missing")).next().is_none());
        let hour = 3_600_000;
        for (number, ms) in [(3, 400_000 * hour), (2, 399_999 * hour + 1), (1, 399_999 * hour)] {
            let path = root.path().join(name(ms, number));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::write(path.with_file_name(".9.gz"), "").unwrap();
            fs::write(path.with_file_name("velodrome-1-other.gz"), "").unwrap();
        }
        fs::write(root.path().join("notes"), "").unwrap();
        let found: Vec<_> = NewestFirst::new(root.path()).map(|o| o.unwrap().sequence).collect();
        assert_eq!(found, [3, 2, 1]);
    }
}
