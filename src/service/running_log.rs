//! The running log: it accepts events and delivers them to the engine.

use super::engine_state::EngineState;
use super::error::ServiceError;
use crate::engine::{Events, Fanout, RideAdmission, StandbyFeed};
use crate::health::Component;
use crate::log::{Log, LogFiles, OpenedLog, Positions};

/// The running log, its files and positions, and the feed of a standby engine.
pub(super) struct RunningLog {
    pub(super) handle: Log<Events>,
    pub(super) files: LogFiles,
    pub(super) positions: Positions,
    pub(super) standby_feed: StandbyFeed,
}

impl RunningLog {
    /// Starts to deliver to `engine` what `admission` accepts. `archive` receives the health of the
    /// archive.
    ///
    /// New arrivals are later than the checkpoint's time, so the checkpoint stays complete up to its
    /// time even if the clock has gone back.
    pub(super) fn start(
        log: OpenedLog,
        engine: &EngineState,
        admission: RideAdmission,
        archive: Component,
    ) -> Result<Self, ServiceError> {
        let (files, positions) = (log.files(), log.positions());
        let standby_feed = StandbyFeed::default();
        let mut fanout = Fanout::new(engine.running.engine.clone(), &standby_feed);
        let log = log.with_min_arrival(engine.checkpoint.complete().unwrap_or(0));
        let handle = log.start(archive, admission, move |delivery| fanout.deliver(delivery))?;
        Ok(Self { handle, files, positions, standby_feed })
    }
}
