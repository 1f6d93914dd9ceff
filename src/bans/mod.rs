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

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
pub struct Bans(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    directory: PathBuf,
    engine: Engine,
    /// A standby engine, to which changes are applied too.
    standby: Option<Engine>,
    list: BanList,
    /// All answers from this time on reflect `list`.
    since: EventTime,
}

impl Bans {
    /// Reads the bans in `directory` and applies them to `engine`, which has none.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the ban list cannot be read, and when the engine stops.
    pub fn open(directory: &Path, engine: Engine) -> Result<Self, BansError> {
        let list = BanList::read(directory)?;
        let bans = list.bans();
        let since = if bans.is_empty() { 0 } else { engine.apply_bans(bans)? };
        let directory = directory.to_owned();
        Ok(Self(Arc::new(Mutex::new(State { directory, engine, standby: None, list, since }))))
    }

    /// Applies all bans, and all later changes, to a standby engine too.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    ///
    /// # Errors
    /// When the engine stops.
    pub fn attach_standby(&self, engine: Engine) -> Result<(), BansError> {
        let mut state = self.0.blocking_lock();
        let bans = state.list.bans();
        if !bans.is_empty() {
            engine.apply_bans(bans)?;
        }
        state.standby = Some(engine);
        Ok(())
    }

    /// Detaches the standby engine, and calls `act` before the next change of bans.
    ///
    /// Blocks the thread, which must not belong to a runtime.
    pub fn detach_standby<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.0.blocking_lock();
        state.standby = None;
        act()
    }

    /// Bans a racer or lifts a ban, durably. All answers from the returned time on reflect the change.
    /// Does nothing if the racer is already banned, or not banned, as requested.
    ///
    /// # Errors
    /// When the ban list is full or cannot be written, and when the engine stops.
    pub async fn set(&self, ban: Ban) -> Result<EventTime, BansError> {
        let mut state = Arc::clone(&self.0).lock_owned().await;
        // On a separate thread the change completes even if the caller stops waiting.
        let set = spawn_blocking(move || state.set(ban)).await;
        set.unwrap_or(Err(BansError::Engine(EngineError::Stopped)))
    }

    /// The banned racers, ascending.
    pub async fn racers(&self) -> Vec<RacerId> {
        self.0.lock().await.list.racers.iter().copied().collect()
    }
}

impl State {
    fn set(&mut self, ban: Ban) -> Result<EventTime, BansError> {
        if let Some(list) = self.list.with(ban) {
            list.write(&self.directory)?;
            self.list = list;
            let bans = vec![ban];
            if let Some(standby) = &self.standby {
                standby.send_bans(bans.clone())?;
            }
            self.since = self.engine.apply_bans(bans)?;
            tracing::info!(racer = ban.racer, is_banned = ban.is_banned, "bans changed");
        }
        Ok(self.since)
    }
}
