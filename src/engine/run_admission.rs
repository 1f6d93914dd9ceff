//! The bound on open rides in a replay or a comparison: readers report the events that may open a ride,
//! and the sequencer decides on them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::{EventTime, Mode, RideKey, Sample};

use super::plan::Plan;
use crate::open_rides::{Decision, OpenRides};

/// The event time of an event that the bound on open rides rejects.
pub(super) const REJECTED: EventTime = EventTime::MAX;

/// The events of a batch that may open a ride, in order, with their text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Candidates {
    list: Vec<Candidate>,
    text: Vec<u8>,
}

/// An event that may open its ride.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Candidate {
    /// The index of its time mark in the report.
    mark: usize,
    /// The index of the input.
    pub(super) input: usize,
    /// The number of its line in the batch, from 0; in its input, if several partitions are merged.
    pub(super) line: u64,
    ride: RideKey,
    second: u16,
    /// The place of its text in the text of all candidates.
    start: usize,
    end: usize,
}

impl Candidates {
    /// Adds a sample on line `line` of `input`. Its clock is the index of its time mark.
    pub(super) fn push(&mut self, sample: &Sample, input: usize, line: u64, text: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        let (mark, end) = (sample.clock as usize, self.text.len());
        let (ride, second) = ((sample.class, sample.race, sample.racer), sample.second);
        self.list.push(Candidate { mark, input, line, ride, second, start, end });
    }

    /// Adds `lines` to the numbers of all lines.
    pub(super) fn advance_lines(&mut self, lines: u64) {
        self.list.iter_mut().for_each(|candidate| candidate.line += lines);
    }

    /// The candidate at `index`, with its text.
    pub(super) fn get(&self, index: usize) -> Option<(Candidate, &[u8])> {
        let candidate = *self.list.get(index)?;
        Some((candidate, self.text.get(candidate.start..candidate.end)?))
    }

    /// The size of their text.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The rejected events, in order, each with its text.
    pub(super) fn rejected(
        &self,
        event_times: &[EventTime],
    ) -> impl Iterator<Item = (Candidate, &[u8])> {
        let with_text = (0..self.list.len()).filter_map(|index| self.get(index));
        with_text.filter(|(candidate, _)| event_times.get(candidate.mark) == Some(&REJECTED))
    }
}

/// Decides which events of a run may open a ride.
pub(super) struct RunAdmission {
    plan: Arc<Plan>,
    rides: OpenRides,
}

impl RunAdmission {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let mode = Mode::Replay { until: plan.until() };
        Self { rides: OpenRides::new(mode, plan.open_rides_max.get()), plan }
    }

    /// Decides on the candidates of the next batch up to the end of the plan, and returns the rides that
    /// they opened. Replaces the event times of rejected ones with [`REJECTED`].
    pub(super) fn decide(
        &mut self,
        candidates: &Candidates,
        event_times: &mut [EventTime],
    ) -> Vec<RideKey> {
        let Self { plan, rides } = self;
        let mut opened = Vec::new();
        for Candidate { mark, ride, second, .. } in &candidates.list {
            let Some(event_time) = event_times.get_mut(*mark) else { continue };
            let clock = *event_time;
            if clock > plan.until() {
                break;
            }
            // A comparison counts a ride that is open under any of its rules.
            let rules = plan.rules.iter().filter(|rules| rules.counts(*ride, *second));
            let closes_at = || rules.map(|rules| rules.rules().closes_at(clock, *second)).max();
            match rides.admit(*ride, clock, closes_at) {
                Decision::OpensNothing => {}
                Decision::Opened => opened.push(*ride),
                Decision::Rejected => *event_time = REJECTED,
            }
        }
        opened
    }

    /// Why the rejected events are rejected.
    pub(super) fn reason(&self) -> String {
        self.rides.rejection().to_string()
    }
}
