//! One race of the live state.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use velodrome_dataflows::{ClassId, Curve, EventTime, RaceId, RacerId, Stage, Standing};

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
    running: HashMap<RacerId, RunningRide>,
    finished: usize,
}

/// A running ride: its standing, and its best output at each second so far.
#[derive(Debug)]
struct RunningRide {
    standing: Standing,
    curve: Curve,
}

impl Race {
    /// A race without rides. Its first ride began at `started_at`.
    pub(super) fn new(started_at: EventTime) -> Self {
        Self { started_at, running: HashMap::new(), finished: 0 }
    }

    /// Applies the new stage of one ride.
    pub(super) fn apply(&mut self, racer: RacerId, stage: Stage) {
        match stage {
            Stage::Running(standing, outputs) => {
                self.started_at = self.started_at.min(standing.started_at);
                let curve = match self.running.entry(racer) {
                    Entry::Occupied(entry) => {
                        let ride = entry.into_mut();
                        ride.standing = standing;
                        &mut ride.curve
                    }
                    Entry::Vacant(entry) => {
                        &mut entry.insert(RunningRide { standing, curve: Curve::default() }).curve
                    }
                };
                for (second, output) in outputs {
                    curve.raise(second, output.0);
                }
            }
            Stage::Finished { started_at } => {
                self.started_at = self.started_at.min(started_at);
                self.remove_running(racer);
                self.finished += 1;
            }
            Stage::Expired => {
                if !self.remove_running(racer) {
                    self.finished = self.finished.saturating_sub(1);
                }
            }
        }
    }

    /// Removes a running ride and returns whether there was one.
    fn remove_running(&mut self, racer: RacerId) -> bool {
        let was_running = self.running.remove(&racer).is_some();
        if self.running.is_empty() {
            // Finished races remain for days, so the capacity that their standings needed is released.
            self.running = HashMap::new();
        }
        was_running
    }

    /// The summary of this race, which does not know its own key. `None` when it has no rides left.
    pub(super) fn summary(&self, (class, race): (ClassId, RaceId)) -> Option<RaceSummary> {
        let racers = self.running.len() + self.finished;
        let (order, is_running) = ((self.started_at, class, race), !self.running.is_empty());
        (racers > 0).then_some(RaceSummary { order, is_running, racers })
    }

    /// The standing of a running ride.
    pub(super) fn standing(&self, racer: RacerId) -> Option<&Standing> {
        self.running.get(&racer).map(|ride| &ride.standing)
    }

    /// The best output of a running ride at each second so far.
    pub(super) fn curve(&self, racer: RacerId) -> Option<&Curve> {
        self.running.get(&racer).map(|ride| &ride.curve)
    }

    /// The greatest second that at least half of the running rides have reached. A single device
    /// whose clock is fast does not move it.
    pub(super) fn median_second(&self) -> Option<u16> {
        let mut seconds: Vec<_> = self.running.values().map(|ride| ride.standing.second).collect();
        let half = seconds.len().checked_sub(1)? / 2;
        let (_, second, _) = seconds.select_nth_unstable_by(half, |a, b| b.cmp(a));
        Some(*second)
    }

    /// The racers of running rides, unordered.
    pub(super) fn running_racers(&self) -> impl Iterator<Item = RacerId> {
        self.running.keys().copied()
    }

    /// The standings of the running rides, unordered.
    pub(super) fn standings(&self) -> Vec<(RacerId, Standing)> {
        self.running.iter().map(|(racer, ride)| (*racer, ride.standing.clone())).collect()
    }
}
