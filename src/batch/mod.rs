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
mod ride;
mod source;
mod texts;
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
use event::{Content, DeadLetter, Line};
use texts::{Text, Texts};

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
            Ok(source) => self.texts(&file, Texts::new(source)),
            Err(error) => self.damage(&file, 1, &error, b""),
        }
    }

    fn texts(&mut self, file: &str, mut texts: Texts) {
        while self.clock.now() <= self.totals.until {
            match texts.next() {
                Ok(None) => return,
                Ok(Some((number, Text::Whole(text)))) => self.text(file, number, text),
                Ok(Some((number, Text::Oversized(start)))) => {
                    let letter = DeadLetter::new(file, number, &Rejection::Oversized, start);
                    self.push(Line { time: None, content: Content::Rejected(letter) });
                }
                Err(error) => {
                    let (number, partial) = texts.partial();
                    return self.damage(file, number, &error, partial);
                }
            }
        }
    }

    /// Decodes a text and adds its event.
    ///
    /// Decoding and the event clock do not depend on the rules, so the clock is the same under all
    /// rules. Afterwards the rules decide whether the event becomes a dead letter.
    fn text(&mut self, file: &str, number: u64, text: &[u8]) {
        let decoded = decode::decode(text, RACE_SECONDS_MAX);
        let is_within_race = |line: &Line| !matches!(&line.content, Content::Race(sample) if sample.second > self.race_seconds);
        let line = match decoded {
            Ok(line) if is_within_race(&line) => line,
            decoded => {
                // Decodes again under the active rules, because the reason names their race length.
                let Err(rejection) = decode::decode(text, self.race_seconds) else { return };
                let content = Content::Rejected(DeadLetter::new(file, number, &rejection, text));
                Line { time: decoded.ok().and_then(|line| line.time), content }
            }
        };
        self.push(line);
    }

    fn damage(&mut self, file: &str, number: u64, error: &io::Error, partial: &[u8]) {
        let reason = format!("input damaged: {error}");
        let letter = DeadLetter::new(file, number, &reason, partial);
        self.push(Line { time: None, content: Content::Damaged(letter) });
    }

    fn push(&mut self, line: Line) {
        self.clock.push(line, &mut |clock, line| self.totals.add(clock, line.content));
    }

    fn finish(mut self) -> (Results, Summary) {
        self.clock.finish(&mut |clock, line| self.totals.add(clock, line.content));
        let Totals { until, aggregates, mut summary, .. } = self.totals;
        summary.late = aggregates.late();
        let results = aggregates.into_results(until);
        summary.rides = results.rides.len() as u64;
        summary.records = results.record_count();
        (results, summary)
    }
}

impl Totals<'_> {
    /// Adds a line at its time on the event clock.
    fn add(&mut self, clock: EventTime, content: Content) {
        if clock > self.until {
            return;
        }
        match &content {
            Content::Race(_) | Content::Tracking(_) => self.summary.events += 1,
            Content::Rejected(letter) => {
                self.summary.rejected += 1;
                letter.write(self.dead_letters);
            }
            Content::Damaged(letter) => {
                self.summary.damaged += 1;
                letter.write(self.dead_letters);
            }
        }
        self.aggregates.add(clock, content);
    }
}
