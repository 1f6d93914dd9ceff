//! The file `positions.json` in a data directory.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::config::POSITIONS;
use super::positions::Positions;
use super::stream::Stream;
use super::stream_error::StreamLabel;
use crate::atomic_file::replace_file;
use crate::disk::File;
use crate::ingest::object_names;
use crate::io_reason::IoReason;

/// Why positions cannot be used.
#[derive(Debug, Error)]
pub enum PositionsError {
    /// The file cannot be read or written.
    #[error("cannot {action} '{path}': {}", IoReason(.reason))]
    Disk {
        /// The operation, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause. It is part of the message, and therefore not the error's source.
        reason: io::Error,
    },
    /// The contents of the file are invalid.
    #[error("'{path}' is damaged: {reason}; remove it to read the stream from where the log ends")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause. It is part of the message, and therefore not the error's source.
        reason: serde_json::Error,
    },
    /// The positions belong to a stream with another name.
    #[error(
        "'{path}' has the positions of the stream '{known}'; give --source kinesis:{known} or another \
         --data, or remove the file to read '{given}' from where the log ends"
    )]
    OtherStream {
        /// The file.
        path: PathBuf,
        /// The stream that the positions belong to.
        known: String,
        /// The stream that is to be read.
        given: String,
    },
    /// The stream was deleted, and another one was created under its name.
    #[error(
        "the {stream} was created at {created}, but '{path}' has the positions of a stream with its name \
         that was created at {known}; stop the service, and remove the file to read the new stream from \
         where the log ends, or give another --data"
    )]
    Replaced {
        /// The stream.
        stream: StreamLabel,
        /// When the stream was created.
        created: String,
        /// The file.
        path: PathBuf,
        /// When the stream of the positions was created.
        known: String,
    },
}

/// Checks that `text` has positions.
///
/// # Errors
/// Its first fault.
pub fn check_positions(text: &[u8]) -> serde_json::Result<()> {
    serde_json::from_slice::<Positions>(text).map(drop)
}

impl Positions {
    /// Loads the positions from the data directory `data`; none if no stream was read into it.
    ///
    /// # Errors
    /// The file cannot be read, or its contents are invalid.
    pub fn load(data: &Path) -> Result<Option<Self>, PositionsError> {
        let path = data.join(POSITIONS);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|reason| PositionsError::Disk {
                action: "read",
                path: path.clone(),
                reason,
            })?,
        };
        let positions = serde_json::from_slice(&text);
        positions.map(Some).map_err(|reason| PositionsError::Damaged { path, reason })
    }

    /// Checks that these positions, from the data directory `data`, belong to the `stream` that was
    /// created at `created_ms`.
    ///
    /// # Errors
    /// They belong to another stream.
    pub fn check(
        &self,
        data: &Path,
        stream: &Stream,
        created_ms: u64,
    ) -> Result<(), PositionsError> {
        let (path, given) = (data.join(POSITIONS), stream.name().as_str());
        if self.stream != given {
            let (known, given) = (self.stream.clone(), given.to_owned());
            return Err(PositionsError::OtherStream { path, known, given });
        }
        if self.created_ms != created_ms {
            let [created, known] = [created_ms, self.created_ms].map(object_names::format_time);
            let stream = stream.label();
            return Err(PositionsError::Replaced { stream, created, path, known });
        }
        Ok(())
    }

    /// Writes the positions to the data directory `data`, durably and atomically.
    ///
    /// # Errors
    /// The file cannot be written. It then has either its old or its new contents.
    pub fn save(&self, data: &Path) -> Result<(), PositionsError> {
        let write = |file: &File| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer(&mut out, self)?;
            out.flush()
        };
        let written = replace_file(data, POSITIONS, write).map(drop);
        written.map_err(|reason| {
            let path = data.join(POSITIONS);
            PositionsError::Disk { action: "write", path, reason }
        })
    }
}
