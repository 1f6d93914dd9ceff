//! The checksums of a segment: one for each group that the log wrote, in a hidden file next to it,
//! so that the segment itself remains lines of JSON.
//!
//! The file `log/.<sequence>.sums` has one record per group: the offset of its end, its bytes, and its
//! XXH3 hash. It is written before the group is made durable and is not made durable itself, so after a
//! power failure the newest records can be absent, and the newest record can be of a group that the
//! segment does not have completely. A last record without bytes says that the segment was closed.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::error::LogError;
use super::segment;
use crate::atomic_file::{remove_if_exists, replace_file};
use crate::disk;

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
/// The last group of a segment that was not closed may be torn: a crash can interrupt its write.
///
/// # Errors
/// When a group differs, and when a file cannot be read.
pub(super) fn verify(segment: &Path) -> Result<(), LogError> {
    let read = |reason| LogError::disk("read", segment)(reason);
    let checksums = load(segment).map_err(read)?;
    let mut file = BufReader::with_capacity(READ_BYTES, File::open(segment).map_err(read)?);
    let mut at = 0;
    for (number, checksum) in (1..).zip(&checksums) {
        let from = checksum.end.saturating_sub(checksum.bytes);
        // The record of a group before this one may be absent.
        io::copy(&mut file.by_ref().take(from.saturating_sub(at)), &mut io::sink())
            .map_err(read)?;
        let (bytes, hash) = hash(&mut file.by_ref().take(checksum.bytes)).map_err(read)?;
        at = checksum.end;
        let is_equal = bytes == checksum.bytes && (hash == checksum.hash || checksum.bytes == 0);
        if !is_equal && number < checksums.len() {
            return Err(LogError::Damaged { path: segment.to_owned(), from, to: checksum.end });
        }
    }
    Ok(())
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
        if let Some(sequence) = name.to_str().and_then(sequence)
            && !segment::path(directory, sequence).try_exists()?
        {
            remove_if_exists(&directory.join(name))?;
        }
    }
    Ok(())
}

/// The path of the checksums of the segment at `segment`.
fn path(segment: &Path) -> PathBuf {
    let name = segment.file_stem().unwrap_or_default().to_string_lossy();
    segment.with_file_name(format!(".{name}.sums"))
}

/// The readable checksums of a segment; none if there is no file.
fn load(segment: &Path) -> io::Result<Vec<Checksum>> {
    match fs::read(path(segment)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        text => Ok(text?.split(|byte| *byte == b'\n').filter_map(Checksum::parse).collect()),
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
