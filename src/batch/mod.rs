//! The batch: computes the results in one pass over the inputs with hash maps, without dataflow.
//!
//! It is the oracle and the performance baseline of the replay. Batch and replay share input listing,
//! decompression, the wording of rejections, and result writing. Line splitting, decoding, the event
//! clock and all rules of the results are implemented here independently, as simply as possible.

mod aggregates;
mod clock;
mod decode;
mod event;
mod fields;
mod lines;
mod ride;
mod source;
mod views;

use std::io;

use velodrome_dataflows::{EventTime, RACE_SECONDS_MAX, Rules};

use crate::ingest::dead_letters::DeadLetterFile;
use crate::ingest::inputs::Input;
use crate::ingest::rejection::Rejection;
use crate::results::Results;
use crate::results::summary::Summary;

use aggregates::Aggregates;
use clock::EventClock;
use event::{DeadLetter, Event, Kind};
use lines::{Line, Lines};

/// Computes the results of all lines of `inputs`, in order. The returned summary does not have the cost
/// of the run yet.
///
/// The results are as of the event time `as_of`, or of the last event if it is `None`. Rejected lines
/// and damaged inputs are written to `dead_letters` and do not end the run.
pub fn run(
    inputs: &[Input],
    rules: Rules,
    as_of: Option<EventTime>,
    dead_letters: &mut DeadLetterFile,
) -> (Results, Summary) {
    let race_seconds = rules.race_seconds;
    let until = as_of.unwrap_or(EventTime::MAX);
    let summary = Summary { workers: 1, processes: 1, ..Summary::default() };
    let aggregates = Aggregates::new(rules);
    let mut pass = Pass {
        clock: EventClock::default(),
        race_seconds,
        totals: Totals { until, aggregates, summary, dead_letters },
    };
    for input in inputs {
        if pass.clock.now() > until {
            break;
        }
        pass.input(input);
    }
    pass.finish()
}

/// The state of a pass over the inputs.
struct Pass<'a> {
    clock: EventClock,
    race_seconds: u16,
    totals: Totals<'a>,
}

/// The results and counts so far.
struct Totals<'a> {
    /// Events with a later time on the event clock are ignored.
    until: EventTime,
    aggregates: Aggregates,
    summary: Summary,
    dead_letters: &'a mut DeadLetterFile,
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
        while self.clock.now() <= self.totals.until {
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

    /// Decodes a line and adds its event.
    ///
    /// Decoding and the event clock do not depend on the rules, so the clock is the same under all
    /// rules. Afterwards the rules decide whether the event becomes a dead letter.
    fn line(&mut self, file: &str, number: u64, line: &[u8]) {
        let is_beyond_race = |event: &Event| matches!(&event.kind, Kind::Race(sample) if sample.second > self.race_seconds);
        let event = match decode::decode(line, RACE_SECONDS_MAX) {
            Ok(event) if !is_beyond_race(&event) => event,
            decoded => {
                // Decodes again under the active rules, because the reason names their race length.
                let Err(rejection) = decode::decode(line, self.race_seconds) else { return };
                let Ok(event) = decoded else {
                    return self.reject(file, number, &rejection, line);
                };
                let (file, reason) = (file.to_owned(), rejection.to_string());
                let letter = DeadLetter { file, number, reason, line: line.to_owned() };
                Event { kind: Kind::BeyondRace(letter), ..event }
            }
        };
        self.clock.push(event, &mut |clock, event| self.totals.add(clock, event));
    }

    fn reject(&mut self, file: &str, number: u64, rejection: &Rejection, line: &[u8]) {
        self.clock.finish(&mut |clock, event| self.totals.add(clock, event));
        self.totals.summary.rejected += 1;
        self.totals.dead_letters.write(file, number, &rejection.to_string(), line);
    }

    fn damage(&mut self, file: &str, number: u64, error: &io::Error, partial: &[u8]) {
        self.clock.finish(&mut |clock, event| self.totals.add(clock, event));
        self.totals.summary.damaged += 1;
        self.totals.dead_letters.write(file, number, &format!("input damaged: {error}"), partial);
    }

    fn finish(mut self) -> (Results, Summary) {
        self.clock.finish(&mut |clock, event| self.totals.add(clock, event));
        let Totals { until, aggregates, mut summary, .. } = self.totals;
        summary.late = aggregates.late();
        let results = aggregates.into_results(until);
        summary.rides = results.rides.len() as u64;
        summary.records = results.record_count();
        (results, summary)
    }
}

impl Totals<'_> {
    /// Adds an event at its time on the event clock.
    fn add(&mut self, clock: EventTime, event: Event) {
        if clock > self.until {
            return;
        }
        match event.kind {
            Kind::BeyondRace(letter) => {
                self.summary.rejected += 1;
                self.dead_letters.write(&letter.file, letter.number, &letter.reason, &letter.line);
            }
            _ => {
                self.summary.events += 1;
                self.aggregates.add(clock, event);
            }
        }
    }
}
