//! A vote on whether the time of an event is right.

use std::collections::{HashSet, VecDeque};
use std::mem;

use crate::ingest::event::EventTimestamp;

/// The timestamp of a line, or `None` for a rejected line, which has no vote.
pub(super) type Line = Option<EventTimestamp>;

/// The clock moves at most this far past the last confirmed time, in milliseconds. So even a device that
/// runs ahead slowly cannot lead it astray.
pub(super) const STEP_MS: u64 = 10_000;
/// A vote ends after this many lines, the candidate included.
pub(super) const LINES_MAX: usize = 16_384;

/// A device agrees with a candidate if it is at most this much later, in milliseconds.
const LATER_MS: u64 = 60_000;
/// Up to this distance from the confirmed time, in milliseconds, a vote ends when no new device votes for
/// [`PATIENCE_LINES`]. Further away, one that nobody disagrees with remains open: after a quiet night, one
/// device may be alone for long.
const GAP_MS: u64 = 600_000;
/// See [`GAP_MS`].
const PATIENCE_LINES: usize = 256;
/// A vote on a time up to [`LATER_MS`] past the confirmed one ends when so many more devices agree than
/// disagree. Further away it continues, because one client can send the events of many devices in a row.
const LEAD: usize = 32;

/// The votes on the first pending line, the candidate.
///
/// A device votes with its first event that has an opinion: it is nearer to the candidate's time, or
/// nearer to the confirmed time. A device far behind or far ahead of both has none.
#[derive(Debug, Default)]
pub(super) struct Vote {
    /// The number of pending lines that were counted, the candidate included.
    counted: usize,
    /// The number of lines up to the last new voter.
    last_voter: usize,
    voters: HashSet<u64>,
    agree: usize,
    disagree: usize,
    later: usize,
    /// Whether an event of another device was counted.
    is_met: bool,
}

/// What an event says about a candidate.
#[derive(Clone, Copy, Debug)]
enum Opinion {
    Agrees,
    Disagrees,
    /// It is later. That agrees unless another device disagrees.
    Later,
}

/// The candidate of a vote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Its time.
    pub(super) ms: u64,
    pub(super) device: u32,
    /// The last confirmed time, or `None` at the start of the source.
    pub(super) confirmed: Option<u64>,
    /// Whether the source has had only one device so far. Then each of its events has a vote.
    pub(super) is_sole: bool,
}

impl Candidate {
    /// What an event at `ms` says about the candidate. `None` if it is far from both the candidate and the
    /// confirmed time.
    fn opinion(&self, ms: u64) -> Option<Opinion> {
        let jump = self.jump();
        let Some(confirmed) = self.confirmed else {
            let agrees = ms + STEP_MS >= self.ms;
            return Some(if agrees { Opinion::Agrees } else { Opinion::Disagrees });
        };
        if ms + STEP_MS.min(jump / 2) < self.ms {
            (ms + jump / 2 >= confirmed).then_some(Opinion::Disagrees)
        } else if ms <= self.ms + LATER_MS {
            Some(Opinion::Agrees)
        } else {
            (ms <= self.ms + jump).then_some(Opinion::Later)
        }
    }

    /// Whether the candidate is at most a little later than the confirmed time.
    fn is_near(&self) -> bool {
        self.confirmed.is_some() && self.jump() <= LATER_MS
    }

    /// The distance from the confirmed time to the candidate.
    fn jump(&self) -> u64 {
        self.ms - self.confirmed.unwrap_or_default()
    }
}

impl Vote {
    /// Counts the votes of `pending`, and returns the verdict on its first line. `None` if the vote
    /// needs further lines. `is_end` means that there are none.
    pub(super) fn verdict(
        &mut self,
        candidate: Candidate,
        pending: &VecDeque<Line>,
        is_end: bool,
    ) -> Option<bool> {
        if self.counted == 0 {
            // The candidate agrees with itself.
            (self.counted, self.last_voter, self.agree) = (1, 1, 1);
        }
        loop {
            if !(candidate.is_sole && candidate.confirmed.is_none()) && self.is_decided(&candidate)
            {
                break;
            }
            let Some(line) = pending.get(self.counted).filter(|_| self.counted < LINES_MAX) else {
                if self.counted < LINES_MAX && !is_end {
                    return None;
                }
                break;
            };
            // An arrival is trusted, so it ends the vote.
            if matches!(line, Some(EventTimestamp::Arrival(_))) {
                break;
            }
            self.counted += 1;
            match *line {
                Some(EventTimestamp::Device { ms, device }) => {
                    let is_other = device != candidate.device;
                    self.is_met |= is_other;
                    if candidate.is_sole {
                        self.add(self.counted as u64, candidate.opinion(ms));
                    } else if is_other {
                        self.add(device.into(), candidate.opinion(ms));
                    }
                }
                Some(EventTimestamp::Arrival(_)) | None => {}
            }
        }
        let later = if self.disagree == 0 { self.later } else { 0 };
        let needs_other = candidate.confirmed.is_some() && !candidate.is_near();
        Some(2 * self.agree > 3 * self.disagree && (self.agree + later > 1 || !needs_other))
    }

    fn add(&mut self, voter: u64, opinion: Option<Opinion>) {
        let Some(opinion) = opinion else { return };
        if self.voters.insert(voter) {
            self.last_voter = self.counted;
            match opinion {
                Opinion::Agrees => self.agree += 1,
                Opinion::Disagrees => self.disagree += 1,
                Opinion::Later => self.later += 1,
            }
        }
    }

    fn is_decided(&self, candidate: &Candidate) -> bool {
        let is_alone = self.agree + self.later == 1 && self.disagree == 0;
        let is_patient = !self.is_met || (candidate.jump() > GAP_MS && is_alone);
        let dissent = match candidate.confirmed {
            None => 1,
            Some(_) if candidate.is_near() => 0,
            Some(_) => 2,
        };
        (candidate.is_near() && self.agree >= self.disagree + LEAD)
            || self.disagree >= self.agree + dissent
            || (!is_patient && self.counted - self.last_voter >= PATIENCE_LINES)
    }

    /// Passes over the first pending line, which needs no vote.
    pub(super) fn skip(&mut self) {
        self.counted = self.counted.saturating_sub(1);
    }

    /// Ends the vote on `candidate`, before the line `next` can become one.
    ///
    /// If only lines of the same device were counted, they are not counted again.
    pub(super) fn close(&mut self, candidate: Candidate, next: Option<&Line>) {
        let is_same = |next: &Line| matches!(next, Some(EventTimestamp::Device { device, .. }) if *device == candidate.device);
        let is_alone = !self.is_met && !candidate.is_sole && next.is_some_and(is_same);
        let counted = if is_alone { self.counted - 1 } else { 0 };
        self.voters.clear();
        let voters = mem::take(&mut self.voters);
        *self = Self { counted, last_voter: 1, agree: 1, voters, ..Self::default() };
    }
}
