//! Recovery: the log's files, from some time on, through the engine again.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use indicatif::ProgressBar;
use thiserror::Error;
use tokio::runtime::Handle;
use velodrome_dataflows::{Clock, RACE_SECONDS_MAX, Rules, SPAN_MS};

use super::clock::EventClock;
use super::live::Feeder;
use super::piece::{Piece, Reader, Report};
use super::service::{Engine, Events};
use crate::ingest::inputs::Input;
use crate::ingest::units;
use crate::log::TICK_MS;

/// So many groups of events are with the workers and not yet complete, at most.
const GROUPS_AHEAD: usize = 8;

/// So many units are opened ahead of the one that is read: objects of a bucket are on their way by then.
const UNITS_AHEAD: usize = 4;

/// How long before a time the log must be read again to go on from a checkpoint of that time: rides
/// that ran then may have begun so much earlier. Two seconds are for the rounding of times.
pub fn window_ms(rules: &Rules) -> u64 {
    (u64::from(rules.race_seconds) + u64::from(rules.grace_seconds) + 2) * 1000
}

/// A log that cannot be gone through.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// A file or object cannot be read to its end.
    #[error("cannot read the log's '{0}': {1}; bring it back, or move it away to go on without it")]
    Damaged(String, String),
    /// The engine ended meanwhile.
    #[error("the engine stopped while it took the log")]
    Stopped,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovered {
    /// Events taken.
    pub events: u64,
    /// Lines that are no event; they were none when they were taken either, so the files changed.
    pub rejected: u64,
    /// The clock at the last event.
    pub clock: Clock,
    /// Bytes of the inputs that were read.
    pub bytes: u64,
}

/// Takes the events of `inputs` that arrived within `span`, in order, through `engine`, as long as `goes_on`
/// says so, which is asked now and then; returns when all but those of the last tick are complete. What
/// `recovered` counts goes on, also where it ends with an error.
///
/// Blocks the thread, which must not be one of `runtime`.
///
/// # Errors
/// A file that cannot be read; an engine that stopped.
pub fn recover(
    inputs: &[Input],
    span: Range<Clock>,
    engine: &Engine,
    runtime: &Handle,
    recovered: &mut Recovered,
    mut goes_on: impl FnMut(&Recovered) -> bool,
) -> Result<(), RecoverError> {
    let (mut clock, mut feeder) = (EventClock::default(), Feeder::new(engine.clone()));
    let mut ahead = VecDeque::new();
    // All before the tick of `clock` is complete; that tick itself is once later events are let in.
    let reached = |clock: Clock| {
        let before = clock.next_multiple_of(TICK_MS).saturating_sub(1);
        runtime.block_on(engine.reached(before)).map_err(|_| RecoverError::Stopped)
    };
    let bytes = ProgressBar::hidden();
    let before = recovered.bytes;
    let mut units = units::units(inputs).into_iter().enumerate().filter_map(|(number, unit)| {
        let input = inputs.get(unit.input)?;
        // What is in the log was an event under the rules that held then.
        Some((input, Reader::open(number, unit, input, RACE_SECONDS_MAX, &bytes)))
    });
    let mut opened: VecDeque<_> = units.by_ref().take(UNITS_AHEAD).collect();
    while let Some((input, mut reader)) = opened.pop_front() {
        opened.extend(units.next());
        let mut is_last = false;
        while !is_last {
            let mut piece = Piece::default();
            let report = reader.next_piece(&mut piece, Vec::new());
            is_last = report.last;
            recovered.rejected += rejects(input, &report, span.end == Clock::MAX)?;
            recovered.bytes = before + bytes.position();
            let clocks = clocks(&mut clock, &report);
            for (last, events) in groups(&mut piece, &clocks, &span) {
                recovered.events += (events.samples.len() + events.tracking.len()) as u64;
                recovered.clock = last;
                feeder.events(last, events);
                engine.advance(last);
                ahead.push_back(last);
                if ahead.len() > GROUPS_AHEAD {
                    ahead.pop_front().map_or(Ok(()), reached)?;
                }
            }
            if !goes_on(recovered) {
                return Ok(());
            }
        }
    }
    reached(recovered.clock)
}

/// Tells of lines that are no event, and how many there are. While the log is written to, its end may be one.
///
/// # Errors
/// An end that could not be read: whoever went on would hold for complete what is not.
fn rejects(input: &Input, report: &Report, is_still: bool) -> Result<u64, RecoverError> {
    if let Some(damage) = report.rejects.iter().find(|reject| reject.damage) {
        return Err(RecoverError::Damaged(input.name().into_owned(), damage.reason.clone()));
    }
    if let Some(first) = report.rejects.first().filter(|_| is_still) {
        let (lines, reason) = (report.rejects.len(), &first.reason);
        tracing::warn!(file = %input.name(), lines, reason, "the log has lines that are no event");
    }
    Ok(report.rejects.len() as u64)
}

/// The clock at each of the report's times.
fn clocks(clock: &mut EventClock, report: &Report) -> Vec<Clock> {
    let mut clocks = Vec::with_capacity(report.times.len());
    for mark in &report.times {
        if Report::is_rejected(*mark) {
            clock.settle(&mut clocks);
            clocks.push(0);
        } else {
            clock.push(Report::reading(*mark), &mut clocks);
        }
    }
    // The log gives each of its events an arrival, so that none ever waits for a later one.
    clock.settle(&mut clocks);
    clocks
}

/// The events of a piece that arrived within `span`, a minute of the clock in each group, with its last clock,
/// which becomes their time.
fn groups(piece: &mut Piece, clocks: &[Clock], span: &Range<Clock>) -> Vec<(Clock, Events)> {
    let mut groups: BTreeMap<u64, (Clock, Events)> = BTreeMap::new();
    let (samples, tracking) = piece.stamped(clocks);
    for sample in samples.filter(|sample| span.contains(&sample.clock)) {
        let (last, events) = groups.entry(sample.clock / SPAN_MS).or_default();
        *last = sample.clock.max(*last);
        events.samples.push(sample);
    }
    for event in tracking.filter(|event| span.contains(&event.clock)) {
        let (last, events) = groups.entry(event.clock / SPAN_MS).or_default();
        *last = event.clock.max(*last);
        events.tracking.push(event);
    }
    groups.into_values().collect()
}
