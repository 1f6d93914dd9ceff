//! The archive: closed segments as gzip objects, named like the objects that Firehose delivers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};

use super::checksums;
use super::error::LogError;
use super::scan::CompleteLines;
use crate::disk;
use crate::ingest::gunzip::Gunzip;
use crate::ingest::object_names::{SegmentKey, parse_segment_key, segment_key};
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

/// An object of the archive, and the parsed parts of its name.
#[derive(Debug)]
pub(super) struct ArchivedSegment {
    pub(super) object: Object,
    pub(super) sequence: u64,
    /// The second of its oldest event, in the format of [`format_time`](crate::ingest::object_names::format_time).
    pub(super) time: String,
}

impl ArchivedSegment {
    /// Parses the name of `object`. Returns `None` for a name that is not a segment's.
    pub(super) fn parse(object: Object) -> Option<Self> {
        let SegmentKey { time, sequence, .. } = parse_segment_key(&object.key)?;
        let time = time.to_owned();
        Some(Self { object, sequence, time })
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
/// same object. A segment that was copied while it was written is part of its object, which stays.
///
/// # Errors
/// When a file cannot be read or written, when the segment differs from its checksums or has no events, and
/// when the archive has another object with that name. The segment stays.
pub(super) fn seal(path: &Path, sequence: u64, archive: &dyn Store) -> Result<(), LogError> {
    checksums::verify(path)?;
    let read = LogError::disk("read", path);
    let oldest = File::open(path)
        .and_then(|file| CompleteLines::new(BufReader::new(file)).next().transpose());
    let oldest =
        oldest.map_err(read)?.ok_or_else(|| LogError::NoEvents(path.display().to_string()))?;
    let name = segment_key(oldest.arrival_ms, sequence);
    if archive.put(&name, PUT_OPTIONS, &mut |out| compress(path, out))?
        == WriteOutcome::PreconditionFailed
        && !is_part_of(path, archive, &name)?
    {
        return Err(LogError::ObjectConflict(archive.name(&name)));
    }
    let removed = disk::remove_file(path).and_then(|()| checksums::remove(path));
    removed.map_err(LogError::disk("remove", path))
}

/// Whether the object `name` begins with the bytes of the segment at `path`.
fn is_part_of(path: &Path, archive: &dyn Store, name: &str) -> Result<bool, LogError> {
    let Some(object) = archive.find(name)? else { return Ok(false) };
    let object = archive.read(&object, 0)?;
    let mut segment = BufReader::new(File::open(path).map_err(LogError::disk("read", path))?);
    let mut text = BufReader::new(Gunzip::new(BufReader::new(object)));
    let mut compare = || {
        loop {
            let (expected, found) = (segment.fill_buf()?, text.fill_buf()?);
            let bytes = expected.len().min(found.len());
            if bytes == 0 || expected.get(..bytes) != found.get(..bytes) {
                return io::Result::Ok(expected.is_empty());
            }
            segment.consume(bytes);
            text.consume(bytes);
        }
    };
    match compare() {
        // Another service's object can have any bytes.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Ok(false)
        }
        compared => compared.map_err(|reason| {
            StoreError { action: "read", name: archive.name(name), reason }.into()
        }),
    }
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
    use std::fs;

    use super::*;
    use crate::store::Directory;

    #[test]
    fn objects_are_listed_newest_first_and_other_files_are_skipped() {
        let root = tempfile::tempdir().unwrap();
        let archive = Directory::new(root.path().join("archive"));
        assert!(NewestSegments::new(&archive).next().is_none());
        let hour = 3_600_000;
        for (number, ms) in [(3, 400_000 * hour), (2, 399_999 * hour + 1), (1, 399_999 * hour)] {
            let path = root.path().join("archive").join(segment_key(ms, number));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::write(path.with_file_name(".9.gz"), "").unwrap();
            fs::write(path.with_file_name("velodrome-1-other.gz"), "").unwrap();
        }
        fs::write(root.path().join("archive/notes"), "").unwrap();
        let dead = root.path().join("archive/processing-failed").join(segment_key(hour, 4));
        fs::create_dir_all(dead.parent().unwrap()).unwrap();
        fs::write(dead, "").unwrap();
        let found: Vec<_> = NewestSegments::new(&archive).map(|o| o.unwrap().sequence).collect();
        assert_eq!(found, [3, 2, 1]);
    }

    #[test]
    fn an_object_that_cannot_be_compared_does_not_count_as_that_of_another_service() {
        let root = tempfile::tempdir().unwrap();
        let archive = Directory::new(root.path().to_owned());
        let mut gzip = GzBuilder::new().write(Vec::new(), LEVEL);
        gzip.write_all(b"text").unwrap();
        fs::write(root.path().join("a.gz"), gzip.finish().unwrap()).unwrap();
        fs::write(root.path().join("b.gz"), "no gzip").unwrap();
        let segment = root.path().join("segment");
        fs::write(&segment, "te").unwrap();
        assert!(is_part_of(&segment, &archive, "a.gz").unwrap());
        assert!(!is_part_of(&segment, &archive, "b.gz").unwrap());
        // The read of a directory fails.
        is_part_of(root.path(), &archive, "a.gz").unwrap_err();
    }
}
