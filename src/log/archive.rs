//! The archive: closed segments as gzip objects, named the way Firehose names those it delivers.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::error::LogError;
use super::scan::WholeLines;
use crate::ingest::objects;
use crate::store::{Condition, Form, Object, Put, Store, StoreError};

/// Half of a line is digits of chance that no level compresses; the fastest wins.
const LEVEL: Compression = Compression::new(1);

/// How much is compressed at a time: what stays in a core's cache.
const READ_BYTES: usize = 256 << 10;

/// How deep the folders of days lie: year, month, day.
const DAYS: usize = 3;

/// How objects are put: never over another service's.
const FORM: Form =
    Form { content_type: "application/gzip", condition: Condition::Absent, acl: None };

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
pub(super) struct Archived {
    pub(super) object: Object,
    pub(super) sequence: u64,
    /// The second of its oldest event, as [`objects::time`] writes it.
    pub(super) time: String,
}

impl Archived {
    /// What `object` is; none where it is not named as ours are.
    fn of(object: Object) -> Option<Self> {
        let name = object.key.rsplit('/').next()?.strip_prefix("velodrome-1-")?;
        let (time, uuid) =
            name.strip_suffix(".gz")?.split_at_checked("YYYY-MM-DD-HH-MM-SS".len())?;
        let uuid = uuid.strip_prefix('-')?.strip_suffix(UUID_END)?;
        let sequence = u64::from_str_radix(&uuid.replace('-', ""), 16).ok()?;
        let time = time.to_owned();
        Some(Self { object, sequence, time })
    }
}

/// The objects of an archive, newest first. Only the folders that are needed are listed: an archive
/// grows by half a million objects a year.
pub(super) struct NewestFirst<'a> {
    archive: &'a dyn Store,
    /// Folders that are still to be listed, and how deep they lie; the newest is last.
    left: Vec<(String, usize)>,
    /// Objects of the day that is at hand; the newest is last.
    day: Vec<Archived>,
}

impl<'a> NewestFirst<'a> {
    pub(super) fn new(archive: &'a dyn Store) -> Self {
        Self { archive, left: vec![(String::new(), 0)], day: Vec::new() }
    }

    /// Lists a folder that lies `depth` deep: a day as a whole, which is two pages of S3, of others
    /// the folders that are digits alone.
    fn enter(&mut self, folder: &str, depth: usize) -> Result<(), StoreError> {
        if depth == DAYS {
            for object in self.archive.walk(folder) {
                self.day.extend(Archived::of(object?));
            }
            return Ok(());
        }
        let mut folders = self.archive.list(folder)?.folders;
        let is_time = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        folders.retain(|found| {
            found.strip_prefix(folder).and_then(|name| name.strip_suffix('/')).is_some_and(is_time)
        });
        self.left.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
        Ok(())
    }
}

impl Iterator for NewestFirst<'_> {
    type Item = Result<Archived, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.day.pop() {
                return Some(Ok(object));
            }
            let (folder, depth) = self.left.pop()?;
            if let Err(error) = self.enter(&folder, depth) {
                return Some(Err(error.into()));
            }
        }
    }
}

/// Makes the closed segment at `path` an object of `archive`, durably, and removes the segment.
/// Name and bytes follow from the segment alone: done again after a crash, it comes to the same.
///
/// # Errors
/// What cannot be read or written, a segment without events, another object under its name; the segment
/// stays.
pub(super) fn seal(path: &Path, sequence: u64, archive: &dyn Store) -> Result<(), LogError> {
    let read = LogError::disk("read", path);
    let oldest =
        File::open(path).and_then(|file| WholeLines::new(BufReader::new(file)).next().transpose());
    let oldest = oldest.map_err(read)?.ok_or_else(|| LogError::NoEvents(path.to_owned()))?;
    let name = name(oldest.arrival_ms, sequence);
    if archive.put(&name, FORM, &mut |out| compress(path, out))? == Put::Kept {
        return Err(LogError::Foreign(archive.name(&name)));
    }
    fs::remove_file(path).map_err(LogError::disk("remove", path))
}

/// Compresses the file at `from`.
fn compress(from: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut text = BufReader::with_capacity(READ_BYTES, File::open(from)?);
    // No name and no time in the header, so that equal lines are equal bytes.
    let mut gzip = GzBuilder::new().write(out, LEVEL);
    io::copy(&mut text, &mut gzip)?;
    gzip.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Directory;

    #[test]
    fn names_are_the_time_and_a_uuid_of_version_8_and_read_back() {
        let sequence = 0x1234_5678_9abc;
        let name = name(1_620_240_001_000, sequence);
        assert_eq!(
            name,
            "2021/05/05/18/velodrome-1-2021-05-05-18-40-01-12345678-9abc-8000-8000-76656c6f6472.gz"
        );
        let object = Archived::of(Object { key: name, bytes: 1 }).unwrap();
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
        let archive = Directory::new(root.path().join("archive"));
        assert!(NewestFirst::new(&archive).next().is_none());
        let hour = 3_600_000;
        for (number, ms) in [(3, 400_000 * hour), (2, 399_999 * hour + 1), (1, 399_999 * hour)] {
            let path = root.path().join("archive").join(name(ms, number));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::write(path.with_file_name(".9.gz"), "").unwrap();
            fs::write(path.with_file_name("velodrome-1-other.gz"), "").unwrap();
        }
        fs::write(root.path().join("archive/notes"), "").unwrap();
        let dead = root.path().join("archive/processing-failed").join(name(hour, 4));
        fs::create_dir_all(dead.parent().unwrap()).unwrap();
        fs::write(dead, "").unwrap();
        let found: Vec<_> = NewestFirst::new(&archive).map(|o| o.unwrap().sequence).collect();
        assert_eq!(found, [3, 2, 1]);
    }
}
