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

use velodrome_dataflows::Rules;

use crate::ingest::dead_letters::DeadLetters;
use crate::ingest::inputs::Input;
use crate::results::Results;
use crate::results::summary::Summary;

use clock::EventClock;
use decode::Rejection;
use lines::{Line, Lines};
use tally::Tally;

/// Takes all lines of `inputs` in order to their results, and counts what happened on the way; the
/// cost is left for the caller to set.
///
/// A bad line or a damaged input goes to `letters` and stops nothing else.
pub fn run(inputs: &[Input], rules: Rules, letters: &mut DeadLetters) -> (Results, Summary) {
    let mut pass = Pass {
        clock: EventClock::default(),
        tally: Tally::new(rules.clone()),
        summary: Summary { workers: 1, processes: 1, ..Summary::default() },
        rules,
        letters,
    };
    for input in inputs {
        pass.input(input);
    }
    pass.finish()
}

/// What one pass holds between lines.
struct Pass<'a> {
    clock: EventClock,
    tally: Tally,
    summary: Summary,
    rules: Rules,
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
        loop {
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

    fn line(&mut self, file: &str, number: u64, line: &[u8]) {
        match decode::decode(line, self.rules.race_seconds) {
            Ok(event) => {
                self.summary.events += 1;
                self.clock.push(event, &mut |clock, event| self.tally.take(clock, event));
            }
            Err(rejection) => self.reject(file, number, &rejection, line),
        }
    }

    fn reject(&mut self, file: &str, number: u64, rejection: &Rejection, line: &[u8]) {
        self.summary.rejected += 1;
        self.clock.finish(&mut |clock, event| self.tally.take(clock, event));
        self.letters.keep(file, number, &rejection.to_string(), line);
    }

    fn damage(&mut self, file: &str, number: u64, error: &io::Error, partial: &[u8]) {
        self.summary.damaged += 1;
        self.clock.finish(&mut |clock, event| self.tally.take(clock, event));
        self.letters.keep(file, number, &format!("input damaged: {error}"), partial);
    }

    fn finish(mut self) -> (Results, Summary) {
        self.clock.finish(&mut |clock, event| self.tally.take(clock, event));
        self.summary.late = self.tally.late();
        let results = self.tally.into_results();
        self.summary.rides = results.rides.len() as u64;
        self.summary.records = results.record_count();
        (results, self.summary)
    }
}
