//! One race of the live state, and its running rides.

use velodrome_dataflows::{ClassId, Curve, EventTime, Output, RaceId, Stage, Standing};

/// The sort key of a race: its start, its class and its id. Newer races are greater.
pub type RaceOrder = (EventTime, ClassId, RaceId);

/// A race as it appears in lists of races.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaceSummary {
    /// The start of the first of its rides, its class and its id.
    pub order: RaceOrder,
    /// Whether any of its rides is running. Otherwise the race is finished.
    pub is_running: bool,
    /// Number of its rides, running and finished.
    pub racers: usize,
}

/// A race with at least one ride, running or finished.
#[derive(Debug)]
pub(super) struct Race {
    started_at: EventTime,
    running: usize,
    finished: usize,
}

/// A running ride: its standing, and its best output at each second so far.
#[derive(Debug)]
pub(super) struct RunningRide {
    pub(super) standing: Standing,
    pub(super) curve: Curve,
}

impl Race {
    /// A race without rides. Its first ride began at `started_at`.
    pub(super) fn new(started_at: EventTime) -> Self {
        Self { started_at, running: 0, finished: 0 }
    }

    /// The start of the first of its rides.
    pub(super) fn started_at(&self) -> EventTime {
        self.started_at
    }

    /// Counts the new stage of one of its rides, which was running before or not.
    pub(super) fn count(&mut self, was_running: bool, stage: &Stage) {
        if was_running {
            self.running -= 1;
        }
        match stage {
            Stage::Running(Standing { started_at, .. }, _) => {
                self.started_at = self.started_at.min(*started_at);
                self.running += 1;
            }
            Stage::Finished { started_at } => {
                self.started_at = self.started_at.min(*started_at);
                self.finished += 1;
            }
            Stage::Expired if was_running => {}
            Stage::Expired => self.finished = self.finished.saturating_sub(1),
        }
    }

    /// The summary of this race, which does not know its own key. `None` when it has no rides left.
    pub(super) fn summary(&self, (class, race): (ClassId, RaceId)) -> Option<RaceSummary> {
        let racers = self.running + self.finished;
        let (order, is_running) = ((self.started_at, class, race), self.running > 0);
        (racers > 0).then_some(RaceSummary { order, is_running, racers })
    }
}

impl RunningRide {
    /// A ride without outputs.
    pub(super) fn new(standing: Standing) -> Self {
        Self { standing, curve: Curve::default() }
    }

    /// Applies a new standing and the outputs that changed with it.
    pub(super) fn update(&mut self, standing: Standing, outputs: Vec<(u16, Output)>) {
        self.standing = standing;
        for (second, output) in outputs {
            self.curve.raise(second, output.0);
        }
    }
}
