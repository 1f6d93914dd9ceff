//! The ban list: a JSON file of the data directory.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Ban, RacerId};

use super::error::BansError;
use crate::atomic_file::replace_file;
use crate::disk::File;
use crate::json_checksum;

/// The name of the file.
pub(super) const FILE: &str = "bans.json";

/// The maximum number of bans. A full file has 1.1 MB, and each change rewrites it.
const BANS_MAX: usize = 100_000;

/// The banned racers, as the file stores them, with a checksum.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BanList {
    pub(super) racers: BTreeSet<RacerId>,
}

impl BanList {
    /// Reads the ban list in `directory`. It is empty if there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or parsed, and when it has too many racers.
    pub(super) fn read(directory: &Path) -> Result<Self, BansError> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(reason) => Err(BansError::Io { path, reason }),
        }
    }

    /// Parses the text of the file at `path`.
    ///
    /// # Errors
    /// When the text cannot be parsed, and when it has too many racers.
    pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Self, BansError> {
        let damaged = |reason| BansError::Damaged { path: path.to_owned(), reason };
        let text = str::from_utf8(text).map_err(|error| damaged(error.to_string()))?;
        let text = json_checksum::remove(text).map_err(|error| damaged(error.to_string()))?;
        let list: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        match list.racers.len() {
            0..=BANS_MAX => Ok(list),
            racers => Err(damaged(format!("it has {racers} racers, and at most {BANS_MAX} fit"))),
        }
    }

    /// Replaces the file in `directory`, durably and atomically.
    ///
    /// # Errors
    /// When the list has too many racers, and when the file cannot be written.
    pub(super) fn write(&self, directory: &Path) -> Result<(), BansError> {
        if self.racers.len() > BANS_MAX {
            return Err(BansError::TooMany { limit: BANS_MAX });
        }
        let write = |mut out: &File| {
            let text = json_checksum::add(&serde_json::to_string(self)?);
            out.write_all(text.as_bytes())
        };
        replace_file(directory, FILE, write)
            .map_err(|reason| BansError::Io { path: directory.join(FILE), reason })?;
        self.record();
        Ok(())
    }

    /// Records the number of bans in the metrics.
    pub(super) fn record(&self) {
        metrics::gauge!("velodrome_bans").set(self.racers.len() as f64);
    }

    /// The same list with `ban` applied, or `None` if it does not change.
    pub(super) fn with(&self, Ban { racer, is_banned }: Ban) -> Option<Self> {
        let mut list = self.clone();
        let is_changed =
            if is_banned { list.racers.insert(racer) } else { list.racers.remove(&racer) };
        is_changed.then_some(list)
    }

    /// The bans to apply to an engine without bans.
    pub(super) fn bans(&self) -> Vec<Ban> {
        self.racers.iter().map(|racer| Ban { racer: *racer, is_banned: true }).collect()
    }
}
