//! The event clock: the time that the majority of devices agrees on.
//!
//! An arrival is always right. A device's time is right if it is at most ten seconds past the last time
//! that was voted right. Otherwise the lines after it vote, each device once.

use std::collections::{HashSet, VecDeque};

use velodrome_dataflows::EventTime;

use super::event::{Line, Sender, Time};

/// A device's time needs no vote if it is at most this much past the last one that was voted right, in
/// milliseconds.
const UNVOTED_MS: u64 = 10_000;
/// A time at most this much later supports a candidate even if the candidate is only a little ahead.
const LATER_MS: u64 = 60_000;
/// A candidate further ahead may follow a quiet night. Then the vote waits for other devices.
const NIGHT_MS: u64 = 600_000;
/// Lines without a new voter after which a vote ends, unless it waits.
const UNCHANGED_LINES: usize = 256;
/// Lines after which a vote ends, the candidate's included.
const VOTE_LINES: usize = 16_384;

/// The event clock over all lines in order. It never goes backwards.
#[derive(Debug, Default)]
pub(super) struct EventClock {
    /// The clock at the last emitted line, and the last time that was voted right. `None` at the start.
    now: Option<(EventTime, EventTime)>,
    /// Lines whose votes were not taken yet.
    waiting: VecDeque<Line>,
    /// Lines before those, which had no clock because all votes so far failed, and the least of their
    /// times.
    unstarted: Vec<Line>,
    least: Option<EventTime>,
    /// The device of the first event, and whether there was an event of another one.
    first: Option<Sender>,
    is_crowd: bool,
}

impl EventClock {
    /// Adds the next line. Emits, in order, lines whose time on the clock is known.
    pub(super) fn push(&mut self, line: Line, emit: &mut dyn FnMut(EventTime, Line)) {
        self.waiting.push_back(line);
        // The outcome of a vote does not depend on when it is taken, so votes are taken many at a time.
        if self.waiting.len() == 1 || self.waiting.len() == 2 * VOTE_LINES {
            self.settle(false, emit);
        }
    }

    /// Emits all lines that are left.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(EventTime, Line)) {
        self.settle(true, emit);
        self.unstarted.drain(..).for_each(|line| emit(0, line));
    }

    /// The current time: that of the last emitted line.
    pub(super) fn now(&self) -> EventTime {
        self.now.map_or(0, |(now, _)| now)
    }

    /// Emits the waiting lines, up to a vote that needs more lines.
    fn settle(&mut self, is_all: bool, emit: &mut dyn FnMut(EventTime, Line)) {
        while let Some(line) = self.waiting.front() {
            match &line.time {
                Some(Time::Arrival(ms)) => {
                    let (now, voted) = self.now.unwrap_or_default();
                    self.now = Some((now.max(*ms), voted.max(*ms)));
                }
                Some(Time::Device(ms, sender)) => {
                    let (ms, sender) = (*ms, sender.clone());
                    self.is_crowd |= self.first.get_or_insert_with(|| sender.clone()) != &sender;
                    match self.now {
                        Some((now, voted)) if ms <= voted + UNVOTED_MS => {
                            self.now = Some((ms.max(now), voted));
                        }
                        _ if !is_all && self.waiting.len() < VOTE_LINES => return,
                        now => match (self.is_right(ms, &sender), now) {
                            (true, _) => self.now = Some((ms.max(self.now()), ms)),
                            (false, Some(_)) => {}
                            (false, None) => {
                                self.least = self.least.into_iter().chain([ms]).min();
                            }
                        },
                    }
                }
                None => {}
            }
            self.unstarted.extend(self.waiting.pop_front());
            if self.unstarted.len() == VOTE_LINES {
                self.now = self.least.map(|least| (least, least));
            }
            if self.now.is_some() || self.unstarted.len() == VOTE_LINES {
                let now = self.now();
                self.unstarted.drain(..).for_each(|line| emit(now, line));
            }
        }
    }

    /// Whether the first waiting line, sent at `ms` by `sender`, is voted right.
    fn is_right(&mut self, ms: EventTime, sender: &Sender) -> bool {
        let voted = self.now.map(|(_, voted)| voted);
        let ahead = ms - voted.unwrap_or(0);
        let is_near = voted.is_some() && ahead <= LATER_MS;
        let (mut yes, mut no, mut later, mut unchanged, mut is_met) = (1, 0, 0, 0, false);
        let mut voters = HashSet::new();
        for (index, line) in self.waiting.iter().enumerate().take(VOTE_LINES).skip(1) {
            let is_waiting = !is_met || (ahead > NIGHT_MS && no == 0 && yes + later == 1);
            let enough_no = match voted {
                None => yes + 1,
                Some(_) if ahead <= LATER_MS => yes,
                Some(_) => yes + 2,
            };
            let is_decided = (is_near && yes >= no + 32)
                || no >= enough_no
                || (unchanged >= UNCHANGED_LINES && !is_waiting);
            // A source that begins with one device waits for others.
            if is_decided && (self.is_crowd || voted.is_some()) {
                break;
            }
            unchanged += 1;
            let (other_ms, other) = match &line.time {
                Some(Time::Device(ms, other)) => (*ms, other),
                Some(Time::Arrival(_)) => break,
                None => continue,
            };
            if !self.is_crowd && self.first.as_ref() != Some(other) {
                self.is_crowd = true;
                return self.is_right(ms, sender);
            }
            is_met |= other != sender;
            let Some(opinion) = opinion(voted, ms, other_ms) else { continue };
            // A single device votes with each of its events.
            let voter = if self.is_crowd { (0, Some(other)) } else { (index, None) };
            if (self.is_crowd && other == sender) || !voters.insert(voter) {
                continue;
            }
            unchanged = 0;
            match opinion {
                Opinion::Yes => yes += 1,
                Opinion::No => no += 1,
                Opinion::Later => later += 1,
            }
        }
        let has_second = yes > 1 || (no == 0 && later > 0);
        2 * yes > 3 * no && (has_second || is_near || voted.is_none())
    }
}

/// What another event says about a candidate.
enum Opinion {
    Yes,
    No,
    /// It is much later, which is a yes unless somebody says no.
    Later,
}

/// What an event at `other_ms` says about a candidate at `ms`. Nothing if it is far from both the
/// candidate and the last time that was voted right.
fn opinion(voted: Option<EventTime>, ms: EventTime, other_ms: EventTime) -> Option<Opinion> {
    let ahead = voted.map(|voted| ms - voted);
    let tolerance = ahead.map_or(UNVOTED_MS, |ahead| UNVOTED_MS.min(ahead / 2));
    if other_ms + tolerance >= ms {
        return match other_ms.saturating_sub(ms) {
            ..=LATER_MS => Some(Opinion::Yes),
            _ if voted.is_none() => Some(Opinion::Yes),
            distance => ahead.filter(|ahead| distance <= *ahead).map(|_| Opinion::Later),
        };
    }
    let least = voted.zip(ahead).map_or(0, |(voted, ahead)| voted.saturating_sub(ahead / 2));
    (other_ms >= least).then_some(Opinion::No)
}
