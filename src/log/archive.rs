//! The archive: closed segments as gzip objects, named like the objects that Firehose delivers.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::checksums;
use super::error::LogError;
use super::scan::CompleteLines;
use super::segment::SEQUENCE_MAX;
use crate::ingest::object_names;
use crate::store::{Condition, Object, PutOptions, Store, StoreError, WriteOutcome};

/// About half of each line is random digits, which do not compress at any level, so use the fastest
/// level.
const LEVEL: Compression = Compression::new(1);

/// Bytes compressed at a time: they fit into the cache of a core.
const READ_BYTES: usize = 256 << 10;

/// The depth of the folders of days: year, month, day.
const DAY_FOLDER_DEPTH: usize = 3;

/// Objects are never overwritten, because an existing object may belong to another service.
const PUT_OPTIONS: PutOptions =
    PutOptions { content_type: "application/gzip", condition: Condition::Absent, acl: None };

/// The constant end of the uuids in names: version 8 and the variant of RFC 9562, then `velodr` in
/// ASCII.
const UUID_END: &str = "8000-8000-76656c6f6472";

/// The name of an object in the archive: the time of its oldest event, then a uuid that starts with the
/// sequence of its segment.
///
/// Names sort in the order of the log. The uuid has 48 bits of the sequence, enough for one segment per
/// minute for 500 million years.
pub(super) fn name(oldest_ms: u64, sequence: u64) -> String {
    object_names::object_key(oldest_ms, &uuid(sequence))
}

/// The uuid of a segment.
fn uuid(sequence: u64) -> String {
    let (high, low) = (sequence >> 16, sequence & 0xffff);
    format!("{high:08x}-{low:04x}-{UUID_END}")
}

/// An object of the archive, and the parsed parts of its name.
#[derive(Debug)]
pub(super) struct ArchivedSegment {
    pub(super) object: Object,
    pub(super) sequence: u64,
    /// The second of its oldest event, in the format of [`object_names::format_time`].
    pub(super) time: String,
}

impl ArchivedSegment {
    /// Parses the name of `object`. Returns `None` for a name that [`name`] does not return.
    pub(super) fn parse(object: Object) -> Option<Self> {
        let name = object.key.rsplit('/').next()?.strip_prefix("velodrome-1-")?;
        let (time, uuid) =
            name.strip_suffix(".gz")?.split_at_checked("YYYY-MM-DD-HH-MM-SS".len())?;
        let found = uuid.strip_prefix('-')?;
        let digits = found.strip_suffix(UUID_END)?.replace('-', "");
        let sequence = u64::from_str_radix(&digits, 16).ok()?;
        let is_ours = sequence <= SEQUENCE_MAX
            && found == self::uuid(sequence)
            && time.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        let time = time.to_owned();
        is_ours.then_some(Self { object, sequence, time })
    }
}

/// An iterator over the objects of an archive, from the newest to the oldest.
///
/// It lists folders lazily, because an archive grows by half a million objects a year.
pub(super) struct NewestSegments<'a> {
    archive: &'a dyn Store,
    /// The folders to list, each with its depth; the newest is last.
    folders: Vec<(String, usize)>,
    /// The remaining objects of the current day; the newest is last.
    day: Vec<ArchivedSegment>,
}

impl<'a> NewestSegments<'a> {
    pub(super) fn new(archive: &'a dyn Store) -> Self {
        Self { archive, folders: vec![(String::new(), 0)], day: Vec::new() }
    }

    /// Lists a folder at `depth`. For a day, it lists all objects (about two pages of an S3 listing);
    /// for others, the subfolders whose names are numbers.
    fn list(&mut self, folder: &str, depth: usize) -> Result<(), StoreError> {
        if depth == DAY_FOLDER_DEPTH {
            let objects = self.archive.walk(folder)?;
            self.day.extend(objects.into_iter().filter_map(ArchivedSegment::parse));
            return Ok(());
        }
        let mut folders = self.archive.list(folder)?.folders;
        let is_time = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        folders.retain(|found| {
            found.strip_prefix(folder).and_then(|name| name.strip_suffix('/')).is_some_and(is_time)
        });
        self.folders.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
        Ok(())
    }
}

impl Iterator for NewestSegments<'_> {
    type Item = Result<ArchivedSegment, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.day.pop() {
                return Some(Ok(object));
            }
            let (folder, depth) = self.folders.pop()?;
            if let Err(error) = self.list(&folder, depth) {
                return Some(Err(error.into()));
            }
        }
    }
}

/// Stores the closed segment at `path` as an object of `archive`, durably, and removes the segment.
///
/// The object's name and bytes depend only on the segment, so sealing again after a crash writes the
/// same object.
///
/// # Errors
/// When a file cannot be read or written, when the segment differs from its checksums or has no events, and
/// when the archive has another object with that name. The segment stays.
pub(super) fn seal(path: &Path, sequence: u64, archive: &dyn Store) -> Result<(), LogError> {
    checksums::verify(path)?;
    let read = LogError::disk("read", path);
    let oldest = File::open(path)
        .and_then(|file| CompleteLines::new(BufReader::new(file)).next().transpose());
    let oldest = oldest.map_err(read)?.ok_or_else(|| LogError::NoEvents(path.to_owned()))?;
    let name = name(oldest.arrival_ms, sequence);
    if archive.put(&name, PUT_OPTIONS, &mut |out| compress(path, out))?
        == WriteOutcome::PreconditionFailed
    {
        return Err(LogError::ObjectConflict(archive.name(&name)));
    }
    let removed = fs::remove_file(path).and_then(|()| checksums::remove(path));
    removed.map_err(LogError::disk("remove", path))
}

/// Writes the file at `from` as gzip.
fn compress(from: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut text = BufReader::with_capacity(READ_BYTES, File::open(from)?);
    // The header has no name and no time, so that equal lines compress to equal bytes.
    let mut gzip = GzBuilder::new().write(out, LEVEL);
    io::copy(&mut text, &mut gzip)?;
    gzip.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Directory;

    #[test]
    fn a_name_has_the_time_and_a_uuid_of_version_8_and_can_be_parsed() {
        let sequence = 0x1234_5678_9abc;
        let name = name(1_620_240_001_000, sequence);
        assert_eq!(
            name,
            "2021/05/05/18/velodrome-1-2021-05-05-18-40-01-12345678-9abc-8000-8000-76656c6f6472.gz"
        );
        let object = ArchivedSegment::parse(Object { key: name, bytes: 1, etag: None }).unwrap();
        assert_eq!((object.sequence, &object.time[..]), (sequence, "2021-05-05-18-40-01"));
    }

    #[test]
    fn only_names_that_the_archive_gives_are_parsed() {
        for file in [
            "2021-05-05-18-40-01--ffffffffffffffff-8000-8000-76656c6f6472.gz",
            "2021-05-05-18-40-01-+2345678-9abc-8000-8000-76656c6f6472.gz",
            "2021-05-05-18-40-01-1234-8000-8000-76656c6f6472.gz",
            "2021-05-05-18-40-0x-12345678-9abc-8000-8000-76656c6f6472.gz",
        ] {
            let key = format!("2021/05/05/18/velodrome-1-{file}");
            assert!(
                ArchivedSegment::parse(Object { key, bytes: 1, etag: None }).is_none(),
                "{file}"
            );
        }
    }

    #[test]
    fn names_of_one_second_sort_by_sequence() {
        let names = [1, 2, 9, 10, 255, 65_535, 65_536, 1 << 40].map(|n| name(1_620_240_001_000, n));
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn objects_are_listed_newest_first_and_other_files_are_skipped() {
        let root = tempfile::tempdir().unwrap();
        let archive = Directory::new(root.path().join("archive"));
        assert!(NewestSegments::new(&archive).next().is_none());
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
        let found: Vec<_> = NewestSegments::new(&archive).map(|o| o.unwrap().sequence).collect();
        assert_eq!(found, [3, 2, 1]);
    }
}
