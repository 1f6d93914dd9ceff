//! Recovery: sends the events in the log's files through the engine again.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;

use indicatif::ProgressBar;
use thiserror::Error;
use tokio::runtime::Handle;
use velodrome_dataflows::{EVENT_LAG_MS_MAX, EventTime, RACE_SECONDS_MAX, Rules};

use super::backlog::completes_at;
use super::batch_reader::{BATCH_BYTES, BatchReader};
use super::batch_report::BatchReport;
use super::command::Events;
use super::decoded_batch::DecodedBatch;
use super::event_clock::EventClock;
use super::feeder::Feeder;
use super::handle::Engine;
use super::known_rides::KnownRides;
use crate::ingest::inputs::Input;
use crate::ingest::units;
use crate::io_reason::IoReason;

/// The maximum number of event groups that are sent to the workers and not yet complete. It bounds
/// memory.
const GROUPS_AHEAD_MAX: usize = 8;

/// The number of units that are opened ahead of the current one, so that objects of a bucket download in
/// the background.
const UNITS_AHEAD: usize = 4;

/// The span of the log before a checkpoint's time that recovery must read again, in milliseconds of the
/// event clock.
///
/// A ride that was running at the checkpoint's time can have started that long before it. A checkpoint that
/// was saved during a recovery or a rebuild can lack the events of one group, which arrived within a minute
/// before it. The window includes two seconds for the rounding of times.
pub fn recovery_window_ms(rules: &Rules) -> u64 {
    let ride_ms = (u64::from(rules.race_seconds) + u64::from(rules.grace_seconds)) * 1000;
    ride_ms.max(EVENT_LAG_MS_MAX) + 2000
}

/// Why a recovery stopped.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// A file or object of the log cannot be opened. The fields are its name and the reason.
    #[error("cannot open '{0}' of the log: {reason}", reason = IoReason(.1))]
    Unreadable(String, io::Error),
    /// A file or object of the log cannot be read to its end. The fields are its name and the reason.
    #[error(
        "cannot read '{0}' of the log: {1}; if it is damaged, restore it from a copy, or move it away to \
         continue without its events"
    )]
    Damaged(String, String),
    /// The engine ended during the recovery.
    #[error("the engine stopped while it replayed the log")]
    Stopped,
}

/// The progress of a recovery.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecoveryCounts {
    /// Events sent to the engine.
    pub events: u64,
    /// Lines that are not events. The log accepts only events, so such lines mean that its files were
    /// changed.
    pub rejected: u64,
    /// The clock at the last event.
    pub clock: EventTime,
    /// Bytes read of the inputs.
    pub bytes: u64,
}

/// Sends the events of `inputs` that arrived within `span` to `engine`, in order. Returns when all of
/// them are complete, except those of the last tick.
///
/// Calls `observe` with all events, before it sends them. Calls `should_continue` after each batch, and
/// stops when it returns false. Adds to `counts` even if it returns an error. Blocks the calling thread,
/// which must not be one of `runtime`'s.
///
/// # Errors
/// When a file cannot be read, and when the engine stops.
pub fn recover(
    inputs: &[Input],
    span: Range<EventTime>,
    engine: &Engine,
    runtime: &Handle,
    counts: &mut RecoveryCounts,
    mut observe: impl FnMut(&Events),
    mut should_continue: impl FnMut(&RecoveryCounts) -> bool,
) -> Result<(), RecoverError> {
    let (mut clock, feeder) = (EventClock::default(), Feeder::new(engine.clone()));
    let mut pending = VecDeque::new();
    // Wait only for earlier ticks: the tick of `clock` itself completes only when later events arrive.
    let wait_complete = |clock: EventTime| {
        let completed = runtime.block_on(engine.wait_complete(completes_at(clock)));
        completed.map_err(|_| RecoverError::Stopped)
    };
    let bytes = ProgressBar::hidden();
    let bytes_before = counts.bytes;
    let mut units = units::units(inputs).into_iter().enumerate().filter_map(|(number, unit)| {
        let input = inputs.get(unit.input)?;
        // Use the longest race that any rules allow, because the rules in effect at acceptance may have
        // had longer races.
        Some((input, BatchReader::try_open(number, unit, input, RACE_SECONDS_MAX, &bytes)))
    });
    // The log has accepted events only, so their rides need no decision.
    let known = KnownRides::all();
    let mut opened: VecDeque<_> = units.by_ref().take(UNITS_AHEAD).collect();
    while let Some((input, reader)) = opened.pop_front() {
        opened.extend(units.next());
        let mut reader = reader.map_err(|error| not_opened(input, error))?;
        let mut is_last = false;
        while !is_last {
            let mut batch = DecodedBatch::default();
            let report = reader.read(&mut batch, Vec::new(), BATCH_BYTES, &known);
            is_last = report.is_last;
            counts.rejected += count_rejects(input, &report, span.end == EventTime::MAX)?;
            counts.bytes = bytes_before + bytes.position();
            let event_times = event_times(&mut clock, &report);
            for (last, events) in minute_groups(&mut batch, &event_times, &span) {
                counts.events += events.len() as u64;
                counts.clock = last;
                observe(&events);
                feeder.send_events(last, events);
                engine.advance(last);
                pending.push_back(last);
                if pending.len() > GROUPS_AHEAD_MAX {
                    pending.pop_front().map_or(Ok(()), wait_complete)?;
                }
            }
            if !should_continue(counts) {
                return Ok(());
            }
        }
    }
    wait_complete(counts.clock)
}

/// Classifies a failed open: an error of the system is not damage of the input.
fn not_opened(input: &Input, error: io::Error) -> RecoverError {
    let name = input.name().into_owned();
    match error.raw_os_error() {
        Some(_) => RecoverError::Unreadable(name, error),
        None => RecoverError::Damaged(name, error.to_string()),
    }
}

/// Counts the lines that are not events. Also logs them if `is_final`; otherwise the log is still being
/// written, and its last line may be incomplete.
///
/// # Errors
/// When the input cannot be read to its end: otherwise an incomplete state would be treated as complete.
fn count_rejects(input: &Input, report: &BatchReport, is_final: bool) -> Result<u64, RecoverError> {
    if let Some(damage) = report.rejects.iter().find(|reject| reject.is_damage) {
        return Err(RecoverError::Damaged(input.name().into_owned(), damage.reason.clone()));
    }
    if let Some(first) = report.rejects.first().filter(|_| is_final) {
        let (lines, reason) = (report.rejects.len(), &first.reason);
        tracing::warn!(
            file = %input.name(), lines, reason, "skipped lines of the log that are not events"
        );
    }
    Ok(report.rejects.len() as u64)
}

/// The clock at each time mark of the report.
fn event_times(clock: &mut EventClock, report: &BatchReport) -> Vec<EventTime> {
    let mut event_times = Vec::with_capacity(report.time_marks.len());
    // Every event of the log has an arrival, so the clock never has to wait for later events.
    report.timestamps().for_each(|timestamp| clock.push(timestamp, &mut event_times));
    clock.flush(&mut event_times);
    event_times
}

/// The events of a batch that arrived within `span`, grouped by minute of the clock. Each group comes
/// with its last clock, which becomes its logical time.
fn minute_groups(
    batch: &mut DecodedBatch,
    event_times: &[EventTime],
    span: &Range<EventTime>,
) -> Vec<(EventTime, Events)> {
    let mut groups: BTreeMap<u64, (EventTime, Events)> = BTreeMap::new();
    let (samples, tracking) = batch.drain_stamped(event_times);
    for sample in samples.filter(|sample| span.contains(&sample.clock)) {
        let (last, events) = groups.entry(sample.clock / EVENT_LAG_MS_MAX).or_default();
        *last = sample.clock.max(*last);
        events.samples.push(sample);
    }
    for event in tracking.filter(|event| span.contains(&event.clock)) {
        let (last, events) = groups.entry(event.clock / EVENT_LAG_MS_MAX).or_default();
        *last = event.clock.max(*last);
        events.tracking.push(event);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_damage_has_the_advice_to_move_a_file_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let input = Input::plain(file.path()).unwrap();
        let too_many = not_opened(&input, io::Error::from_raw_os_error(24)).to_string();
        assert!(too_many.contains("raise the limit of open files"), "{too_many}");
        assert!(!too_many.contains("move it away"), "{too_many}");
        let damage = not_opened(&input, io::Error::other("not gzip")).to_string();
        assert!(damage.contains("if it is damaged, restore it from a copy"), "{damage}");
    }

    #[test]
    fn the_window_includes_a_ride_and_a_group() {
        let window_ms = |race_seconds, grace_seconds| {
            recovery_window_ms(&Rules { race_seconds, grace_seconds, ..Rules::default() })
        };
        assert_eq!((window_ms(300, 60), window_ms(5, 3)), (362_000, 62_000));
    }
}
