//! The identity of a segment, by which two copies of a log recognise each other.

use std::io::{BufRead, BufReader, ErrorKind, Read};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::archive::NewestSegments;
use super::error::LogError;
use super::scan::arrival;
use crate::ingest::gunzip::Gunzip;
use crate::ingest::object_names::{
    LOG_FOLDER, parse_segment_file, parse_segment_key, segment_file, segment_key,
};
use crate::store::{Object, Store, StoreError};

/// A segment of a log, in the log or in its archive. No other log has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SegmentId {
    /// The key in the archive, or for it.
    pub key: String,
    /// The XXH3 hash of the first line, in hexadecimal digits. Two logs can have the same key.
    first_line: String,
}

impl SegmentId {
    /// The newest segment that has events, in the data directory `data` or in `archive`. `None` if the log
    /// has no events.
    ///
    /// # Errors
    /// When a store cannot be listed or read.
    pub fn newest(data: &dyn Store, archive: &dyn Store) -> Result<Option<Self>, LogError> {
        let files = data.list(LOG_FOLDER)?.objects;
        for sequence in files.iter().rev().filter_map(|file| parse_segment_file(&file.key)) {
            if let Some(id) = Self::of_file(data, sequence)? {
                return Ok(Some(id));
            }
        }
        match NewestSegments::new(archive).next().transpose()? {
            Some(archived) => Self::of_object(archive, archived.object),
            None => Ok(None),
        }
    }

    /// Whether this segment is in the data directory `data` or in `archive`.
    ///
    /// # Errors
    /// When a store cannot be read.
    pub fn is_in(&self, data: &dyn Store, archive: &dyn Store) -> Result<bool, LogError> {
        let Some(parsed) = parse_segment_key(&self.key) else { return Ok(false) };
        // A segment is removed from the log after it is in the archive.
        if Self::of_file(data, parsed.sequence)?.as_ref() == Some(self) {
            return Ok(true);
        }
        let Some(object) = archive.find(&self.key)? else { return Ok(false) };
        Ok(Self::of_object(archive, object)?.as_ref() == Some(self))
    }

    /// Segment `sequence` of the log. `None` if it does not exist, or has no events.
    fn of_file(data: &dyn Store, sequence: u64) -> Result<Option<Self>, LogError> {
        let Some(file) = data.find(&format!("{LOG_FOLDER}{}", segment_file(sequence)))? else {
            return Ok(None);
        };
        let line = match data.read(&file, 0) {
            Err(error) if error.reason.kind() == ErrorKind::NotFound => return Ok(None),
            reader => first_line(data, &file, reader?)?,
        };
        Ok(arrival(&line).map(|arrival| Self::new(segment_key(arrival, sequence), &line)))
    }

    fn of_object(archive: &dyn Store, object: Object) -> Result<Option<Self>, LogError> {
        let reader = Gunzip::new(BufReader::new(archive.read(&object, 0)?));
        let line = first_line(archive, &object, reader)?;
        Ok(Some(Self::new(object.key, &line)))
    }

    fn new(key: String, first_line: &[u8]) -> Self {
        Self { key, first_line: format!("{:016x}", xxh3_64(first_line)) }
    }
}

fn first_line(store: &dyn Store, object: &Object, reader: impl Read) -> Result<Vec<u8>, LogError> {
    let mut line = Vec::new();
    let read = BufReader::new(reader).read_until(b'\n', &mut line);
    let failed = |reason| StoreError { action: "read", name: store.name(&object.key), reason };
    read.map(|_| line).map_err(|reason| failed(reason).into())
}
