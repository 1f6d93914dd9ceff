//! One partition of the inputs: its lines in order, with their times on its event clock.

use std::collections::VecDeque;
use std::io;
use std::slice;

use velodrome_dataflows::{EventTime, RACE_SECONDS_MAX};

use super::aggregates::Aggregates;
use super::clock::EventClock;
use super::event::{Content, DeadLetter, Line};
use super::texts::{Text, Texts};
use super::{decode, source};
use crate::ingest::inputs::Input;
use crate::ingest::rejection::Rejection;

/// The lines of the inputs of a partition.
pub(super) struct Partition<'a> {
    inputs: slice::Iter<'a, Input>,
    /// The input that is being read, and its name.
    current: Option<(String, Texts)>,
    race_seconds: u16,
    clock: EventClock,
    is_finished: bool,
    /// The next lines, whose times are known.
    ready: VecDeque<(EventTime, Content)>,
}

impl<'a> Partition<'a> {
    /// The lines of `inputs`. Events after the end of a race of `race_seconds` are rejected.
    pub(super) fn new(inputs: &'a [Input], race_seconds: u16) -> Self {
        Self {
            inputs: inputs.iter(),
            current: None,
            race_seconds,
            clock: EventClock::default(),
            is_finished: false,
            ready: VecDeque::new(),
        }
    }

    /// The time of the next line, or `None` at the end. `aggregates` have the events before it.
    pub(super) fn next_time(&mut self, aggregates: &Aggregates) -> Option<EventTime> {
        while self.ready.is_empty() && !self.is_finished {
            self.read(aggregates);
        }
        self.ready.front().map(|(clock, _)| *clock)
    }

    /// The next line with its time, after [`Self::next_time`].
    pub(super) fn take(&mut self) -> Option<(EventTime, Content)> {
        self.ready.pop_front()
    }

    /// Reads the next text.
    fn read(&mut self, aggregates: &Aggregates) {
        let Some((file, texts)) = &mut self.current else { return self.open() };
        let line = match texts.next() {
            Ok(None) => None,
            Ok(Some((number, Text::Whole(text)))) => {
                line(file, number, text, self.race_seconds, aggregates)
            }
            Ok(Some((number, Text::Oversized(start)))) => {
                let letter = DeadLetter::new(file, number, &Rejection::Oversized, start);
                Some(Line { time: None, content: Content::Rejected(letter) })
            }
            Err(error) => {
                let (number, partial) = texts.partial();
                let line = damage(file, number, &error, partial);
                self.current = None;
                return self.push(line);
            }
        };
        match line {
            Some(line) => self.push(line),
            None => self.current = None,
        }
    }

    /// Opens the next input, or finishes the clock.
    fn open(&mut self) {
        let Some(input) = self.inputs.next() else {
            self.is_finished = true;
            return self
                .clock
                .finish(&mut |clock, line| self.ready.push_back((clock, line.content)));
        };
        let file = input.name().into_owned();
        match source::open(input) {
            Ok(source) => self.current = Some((file, Texts::new(source))),
            Err(error) => self.push(damage(&file, 1, &error, b"")),
        }
    }

    fn push(&mut self, line: Line) {
        self.clock.push(line, &mut |clock, line| self.ready.push_back((clock, line.content)));
    }
}

/// Decodes a text, after the events in `aggregates`.
///
/// Decoding and the event clock do not depend on the rules, so the clock is the same under all rules.
/// Afterwards the rules decide whether the event becomes a dead letter.
fn line(
    file: &str,
    number: u64,
    text: &[u8],
    race_seconds: u16,
    aggregates: &Aggregates,
) -> Option<Line> {
    let letter = |rejection: &Rejection| DeadLetter::new(file, number, rejection, text);
    match decode::decode(text, RACE_SECONDS_MAX) {
        Ok(Line { time, content: Content::Race(sample) }) if sample.second <= race_seconds => {
            let content = match aggregates.has_ride(&sample) {
                true => Content::Race(sample),
                false => Content::Opening(sample, letter(&aggregates.rejection())),
            };
            Some(Line { time, content })
        }
        Ok(line) if matches!(line.content, Content::Tracking(_)) => Some(line),
        decoded => {
            // Decodes again under the active rules, because the reason names their race length.
            let rejection = decode::decode(text, race_seconds).err()?;
            let content = Content::Rejected(letter(&rejection));
            Some(Line { time: decoded.ok().and_then(|line| line.time), content })
        }
    }
}

fn damage(file: &str, number: u64, error: &io::Error, partial: &[u8]) -> Line {
    let letter = DeadLetter::new(file, number, error, partial);
    Line { time: None, content: Content::Damaged(letter) }
}
