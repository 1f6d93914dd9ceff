//! Reads logs in groups of events that arrived in the same minute.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use indicatif::ProgressBar;
use velodrome_dataflows::{EventTime, RACE_SECONDS_MAX};

use super::batch_reader::{BATCH_BYTES, BatchReader};
use super::batch_report::BatchReport;
use super::decoded_batch::DecodedBatch;
use super::event_clock::EventClock;
use super::event_groups::{Group, minute_groups};
use super::known_rides::KnownRides;
use super::recover_error::RecoverError;
use crate::ingest::inputs::Input;
use crate::ingest::units::{self, Unit};

/// The number of units that are opened ahead of the current one, so that objects of a bucket download in
/// the background.
const UNITS_AHEAD: usize = 4;

/// A reader of one log.
pub(super) struct LogReader<'a> {
    inputs: &'a [Input],
    units: VecDeque<(usize, Unit)>,
    opened: VecDeque<(&'a Input, io::Result<BatchReader>)>,
    span: Range<EventTime>,
    clock: EventClock,
    bytes: ProgressBar,
    /// The groups that were read, in order. Several can be of one minute.
    groups: VecDeque<Group>,
}

impl<'a> LogReader<'a> {
    /// A reader of the events of `inputs` that arrived within `span`. `bytes` counts what is read.
    pub(super) fn new(inputs: &'a [Input], span: Range<EventTime>, bytes: ProgressBar) -> Self {
        let units = units::units(inputs).into_iter().enumerate().collect();
        let (opened, groups) = (VecDeque::new(), VecDeque::new());
        let mut reader =
            Self { inputs, units, opened, span, clock: EventClock::default(), bytes, groups };
        (0..UNITS_AHEAD).for_each(|_| reader.open_next());
        reader
    }

    fn open_next(&mut self) {
        let Some((number, unit)) = self.units.pop_front() else { return };
        let Some(input) = self.inputs.get(unit.input) else { return };
        // Use the longest race that any rules allow, because the rules in effect at acceptance may have
        // had longer races.
        let reader = BatchReader::try_open(number, unit, input, RACE_SECONDS_MAX, &self.bytes);
        self.opened.push_back((input, reader));
    }

    /// Reads the next batch. Returns false at the end of the log.
    fn read_batch(&mut self) -> Result<bool, RecoverError> {
        let Some((input, reader)) = self.opened.pop_front() else { return Ok(false) };
        let mut reader = reader.map_err(|error| RecoverError::not_opened(input, error))?;
        // The log has accepted events only, so their rides need no decision.
        let (known, mut batch) = (KnownRides::all(), DecodedBatch::default());
        let report = reader.read(&mut batch, Vec::new(), BATCH_BYTES, &known);
        match report.is_last {
            true => self.open_next(),
            false => self.opened.push_front((input, Ok(reader))),
        }
        let rejected = count_rejects(input, &report, self.span.end == EventTime::MAX)?;
        let event_times = event_times(&mut self.clock, &report);
        let groups = minute_groups(&mut batch, &event_times, &self.span);
        self.groups.push_back(Group { rejected, ..Group::default() });
        self.groups.extend(groups);
        Ok(true)
    }

    /// Reads all groups of the next minute with events. Returns this minute, or `None` at the end.
    fn fill_minute(&mut self) -> Result<Option<u64>, RecoverError> {
        loop {
            let with_events = self.groups.iter().filter(|group| !group.events.is_empty());
            let mut minutes = with_events.map(Group::minute);
            let first = minutes.next();
            if minutes.any(|minute| Some(minute) != first) || !self.read_batch()? {
                return Ok(first);
            }
        }
    }

    /// Adds the groups of `minute`, and what precedes them, to `merged`.
    fn take(&mut self, minute: u64, merged: &mut Group) {
        let is_later = |group: &mut Group| !group.events.is_empty() && group.minute() > minute;
        while self.groups.front_mut().is_some_and(|group| !is_later(group))
            && let Some(group) = self.groups.pop_front()
        {
            merged.rejected += group.rejected;
            merged.last = merged.last.max(group.last);
            merged.events.samples.extend(group.events.samples);
            merged.events.tracking.extend(group.events.tracking);
        }
    }
}

/// The next group of all `logs`; `None` at their ends. A single log returns its groups as they are read. The events of
/// several logs are merged by minute; the graph sorts those of a group by their clocks.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn next_group(logs: &mut [LogReader<'_>]) -> Result<Option<Group>, RecoverError> {
    if let [log] = logs {
        return match log.groups.pop_front() {
            None if !log.read_batch()? => Ok(None),
            None => Ok(log.groups.pop_front()),
            group => Ok(group),
        };
    }
    let minutes: Vec<_> = logs.iter_mut().map(|log| log.fill_minute()).collect::<Result<_, _>>()?;
    let Some(minute) = minutes.into_iter().flatten().min() else { return Ok(None) };
    let mut merged = Group::default();
    logs.iter_mut().for_each(|log| log.take(minute, &mut merged));
    Ok(Some(merged))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A log with a view at each of these times.
    fn log(clocks: &[EventTime]) -> (tempfile::NamedTempFile, Vec<Input>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |clock: &EventTime| {
            format!(
                r#"{{"event":"view","uuid":"{clock}","projectId":"p","deviceTimestamp":1,"durationMs":1,"arrivalTimestamp":{clock}}}"#
            )
        };
        fs::write(file.path(), clocks.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
        let inputs = vec![Input::plain(file.path()).unwrap()];
        (file, inputs)
    }

    #[test]
    fn several_logs_are_merged_by_minute() {
        const START: EventTime = 1_620_240_000_000;
        let at = |minute: u64, ms: u64| START + 60_000 * minute + ms;
        let logs = [
            log(&[at(0, 5), at(0, 9), at(2, 1), at(7, 0)]),
            log(&[at(0, 7), at(1, 1), at(2, 3)]),
            log(&[]),
        ];
        let mut readers: Vec<_> = logs
            .iter()
            .map(|(_, inputs)| LogReader::new(inputs, 0..u64::MAX, ProgressBar::hidden()))
            .collect();
        let mut merged = Vec::new();
        while let Some(Group { last, events, .. }) = next_group(&mut readers).unwrap() {
            let mut clocks: Vec<_> = events.tracking.iter().map(|event| event.clock).collect();
            clocks.sort_unstable();
            merged.push((last, clocks));
        }
        let expected = [
            vec![at(0, 5), at(0, 7), at(0, 9)],
            vec![at(1, 1)],
            vec![at(2, 1), at(2, 3)],
            vec![at(7, 0)],
        ];
        assert_eq!(merged, expected.map(|clocks| (*clocks.last().unwrap(), clocks)));
    }
}
