//! The running log: it accepts events and delivers them to the engine.

use std::mem;

use super::engine_state::EngineState;
use super::error::ServiceError;
use crate::cluster::Announcements;
use crate::engine::{Events, Fanout, RideAdmission, StandbyFeed};
use crate::health::Component;
use crate::log::{Delivery, Log, LogFiles, OpenedLog, Positions};

/// The running log, its files and positions, and the feed of a standby engine.
pub(super) struct RunningLog {
    pub(super) handle: Log<Events>,
    pub(super) files: LogFiles,
    pub(super) positions: Positions,
    /// Its newest segment at the start; 0 for an empty log.
    pub(super) newest: u64,
    pub(super) standby_feed: StandbyFeed,
}

impl RunningLog {
    /// Starts to deliver to `engine` what `admission` accepts. `archive` receives the health of the
    /// archive, and `announcements` the ends of ticks with events.
    ///
    /// New arrivals are later than the checkpoint's time, so the checkpoint stays complete up to its
    /// time even if the clock has gone back.
    pub(super) fn start(
        log: OpenedLog,
        engine: &EngineState,
        admission: RideAdmission,
        archive: Component,
        announcements: Announcements,
    ) -> Result<Self, ServiceError> {
        let (files, positions, newest) = (log.files(), log.positions(), log.newest());
        let standby_feed = StandbyFeed::default();
        let mut fanout = Fanout::new(engine.running.engine.clone(), &standby_feed);
        let log = log.with_min_arrival(engine.checkpoint.complete().unwrap_or(0));
        let mut has_events = false;
        let handle = log.start(archive, admission, move |delivery| {
            match delivery {
                Delivery::Batch { .. } => has_events = true,
                Delivery::Advance(clock) if mem::take(&mut has_events) => announcements.tick(clock),
                Delivery::Advance(_) => {}
            }
            fanout.deliver(delivery);
        })?;
        Ok(Self { handle, files, positions, newest, standby_feed })
    }
}
