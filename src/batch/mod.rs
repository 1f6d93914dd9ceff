//! The batch: one pass over the inputs with hash maps, and no dataflow.
//!
//! It is the oracle and the baseline of the replay, so it shares with it only how inputs are listed
//! and decompressed and how results are written. Cutting lines, decoding, the event clock and every rule of
//! the results are written here a second time, as plainly as they can be.

mod clock;
mod decode;
mod event;
mod fields;
mod lines;
mod ride;
mod source;
mod tally;
mod views;

use std::io;

use velodrome_dataflows::{EventTime, RACE_SECONDS_MAX, Rules};

use crate::ingest::dead_letters::DeadLetters;
use crate::ingest::inputs::Input;
use crate::results::Results;
use crate::results::summary::Summary;

use clock::EventClock;
use decode::Rejection;
use event::{Event, Kind, Letter};
use lines::{Line, Lines};
use tally::Tally;

/// Takes all lines of `inputs` in order to their results as they stood at the time `as_of` of the event clock,
/// or at the end, and counts what happened on the way; the cost is left for the caller to set.
///
/// A bad line or a damaged input goes to `letters` and stops nothing else.
pub fn run(
    inputs: &[Input],
    rules: Rules,
    as_of: Option<EventTime>,
    letters: &mut DeadLetters,
) -> (Results, Summary) {
    let race_seconds = rules.race_seconds;
    let until = as_of.unwrap_or(EventTime::MAX);
    let summary = Summary { workers: 1, processes: 1, ..Summary::default() };
    let tally = Tally::new(rules);
    let mut pass = Pass {
        clock: EventClock::default(),
        race_seconds,
        count: Count { until, tally, summary, letters },
    };
    for input in inputs {
        if pass.clock.now() > until {
            break;
        }
        pass.input(input);
    }
    pass.finish()
}

/// What one pass holds between lines.
struct Pass<'a> {
    clock: EventClock,
    race_seconds: u16,
    count: Count<'a>,
}

/// What has counted so far.
struct Count<'a> {
    /// The last time that counts.
    until: EventTime,
    tally: Tally,
    summary: Summary,
    letters: &'a mut DeadLetters,
}

impl Pass<'_> {
    fn input(&mut self, input: &Input) {
        let file = input.name();
        match source::open(input) {
            Ok(source) => self.lines(&file, Lines::new(source)),
            Err(error) => self.damage(&file, 1, &error, b""),
        }
    }

    fn lines(&mut self, file: &str, mut lines: Lines) {
        let mut number = 0;
        while self.clock.now() <= self.count.until {
            number += 1;
            match lines.next() {
                Ok(None) => return,
                Ok(Some(Line::Whole(line))) if line.iter().all(|b| b" \t\r".contains(b)) => {}
                Ok(Some(Line::Whole(line))) => self.line(file, number, line),
                Ok(Some(Line::Oversized(start))) => {
                    self.reject(file, number, &Rejection::Oversized, start);
                }
                Err(error) => return self.damage(file, number, &error, lines.partial()),
            }
        }
    }

    /// Whether a line is an event at all does not depend on the rules, so that the clock does not either.
    fn line(&mut self, file: &str, number: u64, line: &[u8]) {
        let is_behind = |event: &Event| matches!(&event.kind, Kind::Race(sample) if sample.second > self.race_seconds);
        let event = match decode::decode(line, RACE_SECONDS_MAX) {
            Ok(event) if !is_behind(&event) => event,
            decoded => {
                // The reason speaks of the races of the rules.
                let Err(rejection) = decode::decode(line, self.race_seconds) else { return };
                let Ok(event) = decoded else {
                    return self.reject(file, number, &rejection, line);
                };
                let (file, reason) = (file.to_owned(), rejection.to_string());
                let letter = Letter { file, number, reason, line: line.to_owned() };
                Event { kind: Kind::Behind(letter), ..event }
            }
        };
        self.clock.push(event, &mut |clock, event| self.count.take(clock, event));
    }

    fn reject(&mut self, file: &str, number: u64, rejection: &Rejection, line: &[u8]) {
        self.clock.finish(&mut |clock, event| self.count.take(clock, event));
        self.count.summary.rejected += 1;
        self.count.letters.keep(file, number, &rejection.to_string(), line);
    }

    fn damage(&mut self, file: &str, number: u64, error: &io::Error, partial: &[u8]) {
        self.clock.finish(&mut |clock, event| self.count.take(clock, event));
        self.count.summary.damaged += 1;
        self.count.letters.keep(file, number, &format!("input damaged: {error}"), partial);
    }

    fn finish(mut self) -> (Results, Summary) {
        self.clock.finish(&mut |clock, event| self.count.take(clock, event));
        let Count { until, tally, mut summary, .. } = self.count;
        summary.late = tally.late();
        let results = tally.into_results(until);
        summary.rides = results.rides.len() as u64;
        summary.records = results.record_count();
        (results, summary)
    }
}

impl Count<'_> {
    /// Takes a line that brings a time, at its clock.
    fn take(&mut self, clock: EventTime, event: Event) {
        if clock > self.until {
            return;
        }
        match event.kind {
            Kind::Behind(letter) => {
                self.summary.rejected += 1;
                self.letters.keep(&letter.file, letter.number, &letter.reason, &letter.line);
            }
            _ => {
                self.summary.events += 1;
                self.tally.take(clock, event);
            }
        }
    }
}
