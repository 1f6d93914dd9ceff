//! Who is banned: kept in a file of the data directory, and told to the engine.
//!
//! The file is written before the engine hears of a change, and read before the engine hears of
//! anything else: what was answered holds after any crash, and whatever becomes of checkpoints.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use velodrome_dataflows::{Ban, Clock, RacerId};

use crate::engine::{Engine, EngineError};
use crate::replace::replace;

/// The file's name.
const FILE: &str = "bans.json";

/// So many racers can be banned at once: a file of 1.1 MB, which each change writes as a whole.
const BANS_MAX: usize = 100_000;

/// Why bans cannot be read or changed.
#[derive(Debug, Error)]
pub enum BansError {
    /// Their file is not what was written.
    #[error(
        "the bans in '{path}' are damaged: {reason}; put a copy of the file there, or remove it to \
         lift all bans"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Their file cannot be read or written.
    #[error("cannot keep the bans in '{path}': {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: io::Error,
    },
    /// There are as many as there can be.
    #[error("{BANS_MAX} racers are banned already, and no more can be; lift another ban first")]
    TooMany,
    /// The engine does not take them.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Who is banned; clones are handles of the same bans.
#[derive(Clone, Debug)]
pub struct Bans(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    directory: PathBuf,
    engine: Engine,
    /// An engine that may take the other's place.
    beside: Option<Engine>,
    kept: Kept,
    /// From when on all answers are as `kept` has it.
    since: Clock,
}

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    racers: BTreeSet<RacerId>,
}

impl Bans {
    /// Reads the bans in `directory`, of which there are none where there is no file, and tells them to
    /// `engine`.
    ///
    /// Blocks the thread, which must not be one of a runtime.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged; an engine that stopped.
    pub fn open(directory: &Path, engine: Engine) -> Result<Self, BansError> {
        let kept = Kept::read(&directory.join(FILE))?;
        let bans = kept.bans();
        let since = if bans.is_empty() { 0 } else { engine.ban(bans)? };
        let directory = directory.to_owned();
        Ok(Self(Arc::new(Mutex::new(State { directory, engine, beside: None, kept, since }))))
    }

    /// Tells all bans, and all changes from now on, to an engine beside the other as well.
    ///
    /// Blocks the thread, which must not be one of a runtime.
    ///
    /// # Errors
    /// An engine that stopped.
    pub fn join(&self, engine: Engine) -> Result<(), BansError> {
        let mut state = self.0.blocking_lock();
        let bans = state.kept.bans();
        if !bans.is_empty() {
            engine.ban(bans)?;
        }
        state.beside = Some(engine);
        Ok(())
    }

    /// Does `act` between two changes; from then on no engine beside the other is told any.
    ///
    /// Blocks the thread, which must not be one of a runtime.
    pub fn leave<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.0.blocking_lock();
        state.beside = None;
        act()
    }

    /// Bans a racer or lifts a ban, and tells the time from when on all answers have it. It is durable
    /// then. What is so already is not changed.
    ///
    /// # Errors
    /// As many bans as there can be; a disk that does not take it, or an engine that is stopping.
    pub async fn set(&self, ban: Ban) -> Result<Clock, BansError> {
        let mut state = Arc::clone(&self.0).lock_owned().await;
        // On a thread of its own it comes to its end, whether who asked still waits or not.
        let set = spawn_blocking(move || state.set(ban)).await;
        set.unwrap_or(Err(BansError::Engine(EngineError::Stopped)))
    }

    /// The banned racers, ascending.
    pub async fn racers(&self) -> Vec<RacerId> {
        self.0.lock().await.kept.racers.iter().copied().collect()
    }
}

impl State {
    fn set(&mut self, Ban { racer, is_banned }: Ban) -> Result<Clock, BansError> {
        if self.kept.racers.contains(&racer) != is_banned {
            let mut kept = self.kept.clone();
            if !kept.racers.remove(&racer) {
                kept.racers.insert(racer);
            }
            if kept.racers.len() > BANS_MAX {
                return Err(BansError::TooMany);
            }
            kept.write(&self.directory)?;
            self.kept = kept;
            let bans = vec![Ban { racer, is_banned }];
            if let Some(beside) = &self.beside {
                beside.ban_unanswered(bans.clone())?;
            }
            self.since = self.engine.ban(bans)?;
            tracing::info!(racer, is_banned, "bans changed");
        }
        Ok(self.since)
    }
}

impl Kept {
    fn bans(&self) -> Vec<Ban> {
        self.racers.iter().map(|racer| Ban { racer: *racer, is_banned: true }).collect()
    }

    fn read(path: &Path) -> Result<Self, BansError> {
        let damaged = |reason| BansError::Damaged { path: path.to_owned(), reason };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(reason) => return Err(BansError::Io { path: path.to_owned(), reason }),
        };
        let kept: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        match kept.racers.len() {
            0..=BANS_MAX => Ok(kept),
            racers => {
                Err(damaged(format!("it has {racers} racers, but at most {BANS_MAX} can be")))
            }
        }
    }

    fn write(&self, directory: &Path) -> Result<(), BansError> {
        replace(directory, FILE, |mut out| out.write_all(&serde_json::to_vec(self)?))
            .map(drop)
            .map_err(|reason| BansError::Io { path: directory.join(FILE), reason })
    }
}
