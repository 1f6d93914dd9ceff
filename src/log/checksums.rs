//! The checksums of a segment: one for each group that the log wrote, in a hidden file next to it,
//! so that the segment itself remains lines of JSON.
//!
//! The file `log/.<sequence>.sums` has one record per group: the offset of its end, its bytes, and its
//! XXH3 hash. It is written before the group is made durable and is not made durable itself, so after a
//! power failure the newest records can be absent, and the newest record can be of a group that the
//! segment does not have completely. A last record without bytes says that the segment was closed.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::error::LogError;
use super::segment;
use crate::atomic_file::{remove_if_exists, replace_file};
use crate::disk;
use crate::ingest::object_names::{LOG_FOLDER, parse_segment_file};

/// The bytes that are hashed at a time.
const READ_BYTES: usize = 64 << 10;

/// A group of a segment. The checksum of a closed segment's end has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checksum {
    end: u64,
    bytes: u64,
    hash: u64,
}

impl Checksum {
    /// The record in the file.
    fn record(self) -> String {
        format!("{:020} {:010} {:016x}\n", self.end, self.bytes, self.hash)
    }

    /// Parses a record. `None` if it is damaged.
    fn parse(record: &[u8]) -> Option<Self> {
        let mut fields = str::from_utf8(record).ok()?.split(' ');
        let (end, bytes) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let hash = u64::from_str_radix(fields.next()?, 16).ok()?;
        let checksum = Self { end, bytes, hash };
        (checksum.record().as_bytes() == [record, b"\n"].concat()).then_some(checksum)
    }
}

/// Writes the checksums of a segment.
pub(super) struct ChecksumFile {
    file: disk::File,
    end: u64,
    /// The length of all records, and that of the records of groups that are durable.
    written: u64,
    durable: u64,
}

impl ChecksumFile {
    /// Creates the empty file for the segment at `segment`, in place of any other.
    pub(super) fn create(segment: &Path) -> io::Result<Self> {
        let file = disk::File::create(&path(segment))?;
        Ok(Self { file, end: 0, written: 0, durable: 0 })
    }

    /// Adds the record of a group.
    pub(super) fn add<'a>(&mut self, texts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let (mut hash, mut bytes) = (Xxh3Default::new(), 0);
        for text in texts {
            hash.update(text);
            bytes += text.len() as u64;
        }
        let group = Checksum { end: self.end + bytes, bytes, hash: hash.digest() };
        let record = group.record();
        self.file.write_all(record.as_bytes())?;
        self.written += record.len() as u64;
        self.end = group.end;
        Ok(())
    }

    /// The groups that were added are durable.
    pub(super) fn confirm(&mut self) {
        self.durable = self.written;
    }

    /// Removes the groups that were added since the last [`confirm`](Self::confirm). The segment ends at
    /// `end` then.
    pub(super) fn roll_back(&mut self, end: u64) -> io::Result<()> {
        (self.end, self.written) = (end, self.durable);
        self.file.set_len(self.durable)?;
        self.file.seek_to(self.durable)
    }

    /// Records that the segment is closed, durably.
    pub(super) fn close(mut self) -> io::Result<()> {
        let end = Checksum { end: self.end, bytes: 0, hash: 0 };
        self.file.write_all(end.record().as_bytes())?;
        self.file.sync_data()
    }
}

/// Compares the segment at `segment` with its checksums. Groups without a checksum are not compared.
///
/// The last group of a segment that was not closed may be torn: a crash can interrupt its write. Returns
/// the offset from which the segment can be torn; if it has no file of checksums, it is unknown, and
/// returned as `u64::MAX`.
///
/// # Errors
/// When a group differs, and when a file cannot be read.
pub(super) fn verify(segment: &Path) -> Result<u64, LogError> {
    let read = |reason| LogError::disk("read", segment)(reason);
    let Some(checksums) = load(segment).map_err(read)? else { return Ok(u64::MAX) };
    let file = File::open(segment).map_err(read)?;
    match checksums.damage(file).map_err(read)? {
        Some(Range { start: from, end: to }) => {
            Err(LogError::Damaged { path: segment.display().to_string(), from, to })
        }
        None => Ok(checksums.torn_from()),
    }
}

/// The checksums of a segment, in its order.
#[derive(Debug)]
pub(super) struct Checksums(Vec<Checksum>);

impl Checksums {
    /// Parses the readable records of a file of checksums.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(Checksum::parse).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the segment was closed, so that no group may be torn.
    pub(super) fn is_closed(&self) -> bool {
        self.0.last().is_some_and(|last| last.bytes == 0)
    }

    /// The offset from which a write can be torn: the start of the last group, unless the segment was
    /// closed.
    pub(super) fn torn_from(&self) -> u64 {
        self.0.last().map_or(0, |last| last.end.saturating_sub(last.bytes))
    }

    /// The first part of a segment that differs from its checksum. The last group may be torn.
    ///
    /// # Errors
    /// When the segment cannot be read.
    pub(super) fn damage(&self, segment: impl Read) -> io::Result<Option<Range<u64>>> {
        let mut segment = BufReader::with_capacity(READ_BYTES, segment);
        let mut at = 0;
        for (number, checksum) in (1..).zip(&self.0) {
            let from = checksum.end.saturating_sub(checksum.bytes);
            // The record of a group before this one may be absent.
            let skipped = from.saturating_sub(at);
            io::copy(&mut segment.by_ref().take(skipped), &mut io::sink())?;
            let (bytes, hash) = hash(&mut segment.by_ref().take(checksum.bytes))?;
            at = checksum.end;
            let is_equal =
                bytes == checksum.bytes && (hash == checksum.hash || checksum.bytes == 0);
            if !is_equal && number < self.0.len() {
                return Ok(Some(from..checksum.end));
            }
        }
        Ok(None)
    }
}

/// Replaces the checksums of the segment at `segment`, which is closed, by one of its present contents.
pub(super) fn renew(segment: &Path) -> io::Result<()> {
    let (bytes, hash) = hash(&mut File::open(segment)?)?;
    let group = Checksum { end: bytes, bytes, hash };
    let end = Checksum { end: bytes, bytes: 0, hash: 0 };
    let path = path(segment);
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    replace_file(directory, &name.to_string_lossy(), |mut out| {
        out.write_all((group.record() + &end.record()).as_bytes())
    })?;
    Ok(())
}

/// Removes the checksums of the segment at `segment`.
pub(super) fn remove(segment: &Path) -> io::Result<()> {
    remove_if_exists(&path(segment))
}

/// Removes the checksums in `directory` whose segments are gone, as after a crash during sealing.
pub(super) fn remove_orphans(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let sequence = |name: &str| name.strip_prefix('.')?.strip_suffix(".sums")?.parse().ok();
        let Some(sequence) = name.to_str().and_then(sequence) else { continue };
        let (segment, file) = (segment::path(directory, sequence), directory.join(name));
        // A file with another spelling of the number, such as `.+5.sums`, is not one of the log.
        if file == path(&segment) && !segment.try_exists()? {
            remove_if_exists(&file)?;
        }
    }
    Ok(())
}

/// The key of the checksums of the segment with this key in a data directory. `None` if it is no segment's.
pub fn checksums_key(segment: &str) -> Option<String> {
    parse_segment_file(segment).map(|sequence| format!("{LOG_FOLDER}.{sequence:020}.sums"))
}

/// The path of the checksums of the segment at `segment`.
fn path(segment: &Path) -> PathBuf {
    let stem = segment.file_stem().unwrap_or_default().to_string_lossy();
    segment.with_file_name(format!(".{stem}.sums"))
}

/// The readable checksums of a segment; `None` if there is no file.
fn load(segment: &Path) -> io::Result<Option<Checksums>> {
    match fs::read(path(segment)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => Ok(Some(Checksums::parse(&text?))),
    }
}

/// The number of remaining bytes of `reader`, and their hash.
fn hash(reader: &mut impl Read) -> io::Result<(u64, u64)> {
    let (mut hash, mut bytes, mut buffer) = (Xxh3Default::new(), 0, vec![0; READ_BYTES]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((bytes, hash.digest())),
            read => {
                hash.update(buffer.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
        }
    }
}
