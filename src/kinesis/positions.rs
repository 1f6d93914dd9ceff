//! How far a stream is read: the file `positions.json` of a data directory, which describes its log.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Start;
use super::lineage::Shard;
use super::stream::{Stream, Subject};
use crate::ingest::objects;
use crate::replace::replace;

/// The file's name.
const FILE: &str = "positions.json";

/// How far each shard of a stream is read, all of which is durable in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Positions {
    stream: String,
    /// When the stream was made, which tells it from others of its name.
    created_ms: u64,
    shards: BTreeMap<String, Position>,
}

/// How far a shard is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Where to go on.
    pub next: Start,
    /// All that the stream took in until then is read, in ms since the epoch; none where nothing is known of
    /// that, as nothing was owed before.
    pub until_ms: Option<u64>,
    /// Whether it is read to its end.
    pub is_finished: bool,
}

/// Positions that cannot be gone on from.
#[derive(Debug, Error)]
pub enum PositionsError {
    /// The file cannot be read or written.
    #[error("cannot {action} '{path}': {reason}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Part of the message, hence not its source.
        reason: io::Error,
    },
    /// It holds something else.
    #[error(
        "'{path}' holds no positions: {reason}; remove it to read the stream from where the log ends"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Part of the message, hence not its source.
        reason: serde_json::Error,
    },
    /// They are of a stream of another name.
    #[error(
        "'{path}' tells how far the stream '{known}' is read; give --source kinesis:{known} or another \
         --data, or remove the file to read '{given}' from where the log ends"
    )]
    OtherStream {
        /// The file.
        path: PathBuf,
        /// The stream that they are of.
        known: String,
        /// The one that is to be read.
        given: String,
    },
    /// The stream was deleted, and another one has its name.
    #[error(
        "the {subject} was created at {created}, and '{path}' tells how far one of its name is read that \
         was created at {known}; stop the service, and remove the file to read the new one from where the \
         log ends, or give another --data"
    )]
    Replaced {
        /// The stream.
        subject: Subject,
        /// When it was made.
        created: String,
        /// The file.
        path: PathBuf,
        /// When the one was made that the positions are of.
        known: String,
    },
}

impl Positions {
    /// Those of the data directory `data`; none where no stream was read into it.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn load(data: &Path) -> Result<Option<Self>, PositionsError> {
        let path = data.join(FILE);
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

    /// Those of a stream of which nothing is read: its shards are begun at `start`, asked for at `now_ms`.
    pub fn begin(
        stream: &str,
        created_ms: u64,
        listed: &[Shard],
        start: &Start,
        now_ms: u64,
    ) -> Self {
        let position = |shard: &Shard| Position {
            next: start.clone().resumable(now_ms),
            until_ms: match start {
                Start::At(ms) => Some(*ms),
                Start::Latest => Some(now_ms),
                Start::TrimHorizon | Start::After(_) => None,
            },
            // What a shard holds that takes no more is not of the latest.
            is_finished: *start == Start::Latest && !shard.is_open,
        };
        let shards = listed.iter().map(|shard| (shard.id.clone(), position(shard))).collect();
        Self { stream: stream.to_owned(), created_ms, shards }
    }

    /// Whether these, of the data directory `data`, are of `stream`, which was made at `created_ms`.
    ///
    /// # Errors
    /// They are not.
    pub fn check(
        &self,
        data: &Path,
        stream: &Stream,
        created_ms: u64,
    ) -> Result<(), PositionsError> {
        let (path, given) = (data.join(FILE), stream.name().as_str());
        if self.stream != given {
            let (known, given) = (self.stream.clone(), given.to_owned());
            return Err(PositionsError::OtherStream { path, known, given });
        }
        if self.created_ms != created_ms {
            let [created, known] = [created_ms, self.created_ms].map(objects::time);
            let subject = stream.subject();
            return Err(PositionsError::Replaced { subject, created, path, known });
        }
        Ok(())
    }

    /// Writes them to the data directory `data`, durably.
    ///
    /// # Errors
    /// What cannot be written; then the file is as it was before, or as it is to be.
    pub fn save(&self, data: &Path) -> Result<(), PositionsError> {
        let write = |file: &fs::File| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer(&mut out, self)?;
            out.flush()
        };
        let written = replace(data, FILE, write).map(drop);
        written.map_err(|reason| {
            let path = data.join(FILE);
            PositionsError::Disk { action: "write", path, reason }
        })
    }

    /// How far a shard is read; one that is not known is begun with its oldest record, as children are.
    pub fn begun(&mut self, shard: &str) -> &mut Position {
        let begun = || Position { next: Start::TrimHorizon, until_ms: None, is_finished: false };
        self.shards.entry(shard.to_owned()).or_insert_with(begun)
    }

    /// How far a shard is read; none where it was not begun, or is forgotten.
    pub fn of(&mut self, shard: &str) -> Option<&mut Position> {
        self.shards.get_mut(shard)
    }

    /// Whether a shard is read to its end.
    pub fn is_finished(&self, shard: &str) -> bool {
        self.shards.get(shard).is_some_and(|position| position.is_finished)
    }

    /// Forgets the shards that are not `listed` any more, and gives those of them that were not finished: of
    /// them, records were lost.
    pub fn forget(&mut self, listed: &[Shard]) -> Vec<(String, Position)> {
        let is_listed = |id: &String| listed.iter().any(|shard| shard.id == *id);
        let gone = self.shards.extract_if(.., |id, _| !is_listed(id));
        gone.filter(|(_, position)| !position.is_finished).collect()
    }
}
