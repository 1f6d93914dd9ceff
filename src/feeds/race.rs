//! One race of the live state.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use velodrome_dataflows::{Clock, Curve, RacerId, Stage, Standing};

/// A race that has riders, running or over.
#[derive(Debug)]
pub(super) struct Race {
    began: Clock,
    running: HashMap<RacerId, Riding>,
    over: usize,
}

/// A ride that is running: how it stands, and what it has come to at each second.
#[derive(Debug)]
struct Riding {
    standing: Standing,
    curve: Curve,
}

impl Race {
    /// A race without riders, whose first ride began at `began`.
    pub(super) fn new(began: Clock) -> Self {
        Self { began, running: HashMap::new(), over: 0 }
    }

    /// Takes one ride's way.
    pub(super) fn take(&mut self, racer: RacerId, stage: Stage) {
        match stage {
            Stage::Running(standing, moved) => {
                self.began = self.began.min(standing.began);
                let curve = match self.running.entry(racer) {
                    Entry::Occupied(entry) => {
                        let riding = entry.into_mut();
                        riding.standing = standing;
                        &mut riding.curve
                    }
                    Entry::Vacant(entry) => {
                        &mut entry.insert(Riding { standing, curve: Curve::default() }).curve
                    }
                };
                for (second, output) in moved {
                    curve.raise(second, output.0);
                }
            }
            Stage::Over { began } => {
                self.began = self.began.min(began);
                self.leave(racer);
                self.over += 1;
            }
            Stage::Forgotten => {
                if !self.leave(racer) {
                    self.over = self.over.saturating_sub(1);
                }
            }
        }
    }

    /// Takes a rider out of those that run, and tells whether it was one.
    fn leave(&mut self, racer: RacerId) -> bool {
        let was_running = self.running.remove(&racer).is_some();
        if self.running.is_empty() {
            // Races that are over stay for days: without the memory of their standings.
            self.running = HashMap::new();
        }
        was_running
    }

    /// When it began and whether it is running, or `None` where it has no riders left.
    pub(super) fn listing(&self) -> Option<(Clock, bool)> {
        (self.racers() > 0).then_some((self.began, !self.running.is_empty()))
    }

    /// How many riders it has.
    pub(super) fn racers(&self) -> usize {
        self.running.len() + self.over
    }

    /// How a running rider stands.
    pub(super) fn standing(&self, racer: RacerId) -> Option<&Standing> {
        self.running.get(&racer).map(|riding| &riding.standing)
    }

    /// What a running rider has come to at each second.
    pub(super) fn curve(&self, racer: RacerId) -> Option<&Curve> {
        self.running.get(&racer).map(|riding| &riding.curve)
    }

    /// The greatest second that half of the running riders have reached: one rider whose clock is
    /// ahead does not move it.
    pub(super) fn second(&self) -> Option<u16> {
        let mut seconds: Vec<_> =
            self.running.values().map(|riding| riding.standing.second).collect();
        let half = seconds.len().checked_sub(1)? / 2;
        let (_, second, _) = seconds.select_nth_unstable_by(half, |a, b| b.cmp(a));
        Some(*second)
    }

    /// Who is running, in no order.
    pub(super) fn riders(&self) -> impl Iterator<Item = RacerId> {
        self.running.keys().copied()
    }

    /// How the running riders stand, in no order.
    pub(super) fn standings(&self) -> Vec<(RacerId, Standing)> {
        self.running.iter().map(|(racer, riding)| (*racer, riding.standing.clone())).collect()
    }
}
