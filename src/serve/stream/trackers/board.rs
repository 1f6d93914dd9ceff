//! `board:1`: the board of a class at the second that its running race has reached.

use velodrome_dataflows::{ClassId, EventTime, RaceId};

use crate::live_state::LiveTables;
use crate::serve::stream::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use crate::serve::stream::message::Message;
use crate::serve::stream::payload::{Board, Payload};

/// Reports snapshots only: at the next second nearly all rows of a board are different.
pub(super) struct BoardTracker {
    class: ClassId,
    reported: Option<BoardVersion>,
}

/// Identifies the content of a board.
#[derive(Clone, Copy, PartialEq, Eq)]
struct BoardVersion {
    race_and_second: Option<(RaceId, u16)>,
    /// When records of the class last changed.
    records: EventTime,
}

impl BoardTracker {
    pub(super) fn new(class: ClassId) -> Self {
        Self { class, reported: None }
    }

    fn version(&self, live: &LiveTables) -> BoardVersion {
        let race = live.running_race(self.class);
        let race_and_second =
            race.and_then(|race| Some((race, live.median_second(self.class, race)?)));
        let records = race_and_second.map_or(0, |_| live.versions(self.class).records);
        BoardVersion { race_and_second, records }
    }
}

impl ChangeTracker for BoardTracker {
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        let Some(reported) = self.reported else { return true };
        let running = update.live.running_race(self.class);
        let has_changed_rides = |race| update.changed.rides.contains_key(&(self.class, race));
        running != reported.race_and_second.map(|(race, _)| race)
            || running.is_some_and(has_changed_rides)
            || running.is_some() && update.live.versions(self.class).records != reported.records
    }

    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)> {
        let version = self.version(update.live);
        let is_new = self.reported.replace(version) != Some(version);
        is_new.then(|| (FrameKind::Reset, self.snapshot(update)))
    }

    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        let BoardVersion { race_and_second, .. } = self.version(update.live);
        Message::snapshot(update.time, Payload::Board(Board::new(self.class, race_and_second)))
    }
}
