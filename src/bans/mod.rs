//! The bans of a service: a file of the data directory, applied to the engine.
//!
//! The file is replaced atomically before the engine applies a change. At startup the bans are applied
//! before all events. So an acknowledged ban survives any crash, whatever happens to checkpoints.
//!
//! The module uses the engine and files; it knows nothing of HTTP.

mod ban_list;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use velodrome_dataflows::{Ban, EventTime, RacerId};

use self::ban_list::BanList;
pub use self::error::BansError;
use crate::engine::{Engine, EngineError};

/// The name of the ban list in a data directory.
pub const BANS: &str = ban_list::FILE;

/// The number of banned racers in the `text` of a ban list. `path` is its name in errors.
///
/// # Errors
/// When the text is damaged.
pub fn count(path: &Path, text: &[u8]) -> Result<usize, BansError> {
    Ok(BanList::parse(path, text)?.racers.len())
}

/// The bans of a service. Clones refer to the same bans.
#[derive(Clone, Debug)]
pub struct Bans {
    state: Arc<Mutex<State>>,
    cluster: Arc<OnceLock<ChangeOnAll>>,
}

#[derive(Debug)]
struct State {
    directory: PathBuf,
    engine: Engine,
    /// A standby engine, to which changes are applied too.
    standby: Option<Engine>,
    list: BanList,
    /// The racers who are banned in the engine.
    applied: BTreeSet<RacerId>,
    /// All answers from this time on reflect `applied`.
    since: EventTime,
}

/// Makes a change of bans on all nodes of a cluster.
#[derive(Clone)]
struct ChangeOnAll(Arc<dyn Fn(Ban) -> Result<EventTime, String> + Send + Sync>);

impl Bans {
    /// Reads the bans in `directory` and applies them to `engine`, which has none.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the ban list cannot be read, and when the engine stops.
    pub fn open(directory: &Path, engine: Engine) -> Result<Self, BansError> {
        let list = BanList::read(directory)?;
        list.record();
        let directory = directory.to_owned();
        let applied = BTreeSet::new();
        let mut state = State { directory, engine, standby: None, list, applied, since: 0 };
        // In a cluster, each generation receives the bans when it starts.
        if !state.engine.workers().is_empty() {
            state.apply()?;
        }
        Ok(Self { state: Arc::new(Mutex::new(state)), cluster: Arc::default() })
    }

    /// Makes later changes with `change`, which makes them on all nodes of a cluster.
    pub fn change_with(
        &self,
        change: impl Fn(Ban) -> Result<EventTime, String> + Send + Sync + 'static,
    ) {
        // A service joins one cluster.
        _ = self.cluster.set(ChangeOnAll(Arc::new(change)));
    }

    /// Applies all bans, and all later changes, to a standby engine too.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the engine stops.
    pub fn attach_standby(&self, engine: Engine) -> Result<(), BansError> {
        let mut state = self.state.blocking_lock();
        let bans = state.list.bans();
        if !bans.is_empty() {
            state.since = engine.apply_bans(bans)?.max(state.since);
        }
        if state.engine.workers().is_empty() {
            state.applied = state.list.racers.clone();
        }
        state.standby = Some(engine);
        Ok(())
    }

    /// Detaches the standby engine, and calls `act` before the next change of bans.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    pub fn detach_standby<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.state.blocking_lock();
        state.standby = None;
        act()
    }

    /// Bans a racer or lifts a ban, durably. All answers from the returned time on reflect the change.
    /// Does nothing if the racer is already banned, or not banned, as requested.
    ///
    /// # Errors
    /// When the ban list is full or cannot be written, when the engine stops, and when other nodes of the cluster
    /// cannot make the change.
    pub async fn set(&self, ban: Ban) -> Result<EventTime, BansError> {
        // On a separate thread the change completes even if the caller stops waiting.
        let set = if let Some(ChangeOnAll(change)) = self.cluster.get().cloned() {
            spawn_blocking(move || change(ban).map_err(BansError::Cluster))
        } else {
            // Locked here, so that later calls wait for the change although the thread may start later.
            let mut state = Arc::clone(&self.state).lock_owned().await;
            spawn_blocking(move || {
                state.persist(ban)?;
                state.apply()
            })
        };
        set.await.unwrap_or(Err(BansError::Engine(EngineError::Stopped)))
    }

    /// Makes a change durable, without applying it.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the ban list is full or cannot be written.
    pub fn persist(&self, ban: Ban) -> Result<(), BansError> {
        self.state.blocking_lock().persist(ban)
    }

    /// Makes a complete list of bans durable, without applying it.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the ban list is full or cannot be written.
    pub fn persist_all(&self, racers: &[RacerId]) -> Result<(), BansError> {
        let racers = racers.iter().copied().collect();
        self.state.blocking_lock().replace(BanList { racers })
    }

    /// Applies all durable bans to the engine. All answers from the returned time on reflect them.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the engine stops, or has no workers.
    pub fn apply(&self) -> Result<EventTime, BansError> {
        self.state.blocking_lock().apply()
    }

    /// The banned racers, ascending.
    pub async fn racers(&self) -> Vec<RacerId> {
        self.state.lock().await.list.racers.iter().copied().collect()
    }

    /// The banned racers, ascending. Blocks the thread, which must not belong to a runtime.
    pub fn durable(&self) -> Vec<RacerId> {
        self.state.blocking_lock().list.racers.iter().copied().collect()
    }
}

impl State {
    fn persist(&mut self, ban: Ban) -> Result<(), BansError> {
        self.list.with(ban).map_or(Ok(()), |list| self.replace(list))
    }

    fn replace(&mut self, list: BanList) -> Result<(), BansError> {
        if list.racers != self.list.racers {
            list.write(&self.directory)?;
            tracing::info!(racers = list.racers.len(), "bans changed");
            self.list = list;
        }
        Ok(())
    }

    /// Applies the differences between the list and what is applied.
    fn apply(&mut self) -> Result<EventTime, BansError> {
        let racers = &self.list.racers;
        let changed = racers.symmetric_difference(&self.applied).copied();
        let bans: Vec<_> =
            changed.map(|racer| Ban { racer, is_banned: racers.contains(&racer) }).collect();
        if bans.is_empty() {
            return Ok(self.since);
        }
        self.since = match &self.standby {
            // The standby engine is the next generation of a cluster.
            Some(standby) if self.engine.workers().is_empty() => standby.apply_bans(bans)?,
            standby => {
                if let Some(standby) = standby {
                    standby.send_bans(bans.clone())?;
                }
                self.engine.apply_bans(bans)?
            }
        };
        self.applied = racers.clone();
        Ok(self.since)
    }
}

impl fmt::Debug for ChangeOnAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeOnAll")
    }
}
