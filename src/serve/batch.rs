//! The events of a body: those that are taken, ready for the log, and those that are not.

use std::fmt;
use std::mem;
use std::num::NonZeroU32;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::admission::too_many_events;
use super::body::{Kind, bad_body};
use super::error::ApiError;
use super::grant::Grant;
use crate::engine::Events;
use crate::ingest::decode::decode;
use crate::ingest::event::Event;
use crate::ingest::lines::LINE_BYTES_MAX;
use crate::log::{Lines, loggable};

/// The events of a body, decoded.
#[derive(Debug)]
pub(super) struct Batch {
    /// What is taken, as it stands in the log.
    pub(super) lines: Lines,
    /// The same for the engine, in the same order.
    pub(super) events: Events,
    pub(super) rejected: Vec<Rejected>,
    count: usize,
    bytes: usize,
    grant: Grant,
    race_seconds: u16,
}

/// An event that is not taken.
#[derive(Debug)]
pub(super) struct Rejected {
    /// Which event of the body it is, or in which record it came, from 0.
    pub(super) index: usize,
    pub(super) reason: String,
    /// Its text, at most 1 MiB.
    pub(super) text: Vec<u8>,
}

impl Batch {
    /// No events yet; those of races of `race_seconds` and in `grant` will be taken.
    pub(super) fn new(grant: Grant, race_seconds: u16) -> Self {
        Self {
            lines: Lines::new(),
            events: Events::default(),
            rejected: Vec::new(),
            count: 0,
            bytes: 0,
            grant,
            race_seconds,
        }
    }

    /// The events of `body`, of races of `race_seconds`; those that are not in `grant` are rejected.
    ///
    /// # Errors
    /// 400 `bad_body` where the body is unreadable as a whole, 413 `too_many_events`.
    pub(super) fn of(
        body: &[u8],
        kind: Kind,
        grant: Grant,
        race_seconds: u16,
        events_max: NonZeroU32,
    ) -> Result<Self, ApiError> {
        let mut batch = Self::new(grant, race_seconds);
        if body.trim_ascii().is_empty() {
            return Err(bad_body("the body is empty; send events"));
        }
        match kind {
            Kind::Lines => {
                let lines =
                    body.split(|byte| *byte == b'\n').filter(|l| !l.trim_ascii().is_empty());
                for line in lines {
                    batch.take(batch.count, line.strip_suffix(b"\r").unwrap_or(line));
                    batch.check_count(events_max)?;
                }
            }
            Kind::Json => batch.take_json(body, events_max)?,
        }
        Ok(batch)
    }

    /// About how many bytes the verdicts have in the reply.
    pub(super) fn verdict_bytes(&self) -> usize {
        // `{"index":,"error":""},` and the digits of the index.
        self.rejected.iter().map(|rejected| rejected.reason.len() + 30).sum()
    }

    /// How many events there are, taken or not.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// What was taken so far, as a batch of its own.
    pub(super) fn next(&mut self) -> Self {
        let next = Self::new(self.grant.clone(), self.race_seconds);
        mem::replace(self, next)
    }

    /// How many bytes the events have, as they came.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn take_json(&mut self, body: &[u8], events_max: NonZeroU32) -> Result<(), ApiError> {
        let text = str::from_utf8(body).map_err(|e| bad_body(format!("the body: {e}")))?;
        let unreadable = |e: serde_json::Error| bad_body(format!("the body is no JSON: {e}"));
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'[') => {
                let mut deserializer = serde_json::Deserializer::from_str(text);
                let taken = deserializer.deserialize_seq(Elements(self, events_max));
                // Elements stop early where they are too many, which is no error of JSON.
                self.check_count(events_max)?;
                taken.and_then(|()| deserializer.end()).map_err(unreadable)
            }
            Some(b'{') => {
                let event: &RawValue = serde_json::from_str(text).map_err(unreadable)?;
                self.take(0, event.get().as_bytes());
                Ok(())
            }
            _ => Err(bad_body("the body is no JSON object and no array of them")),
        }
    }

    fn check_count(&self, events_max: NonZeroU32) -> Result<(), ApiError> {
        match u32::try_from(self.count).is_ok_and(|count| count <= events_max.get()) {
            true => Ok(()),
            false => Err(too_many_events(events_max)),
        }
    }

    /// Takes an event, or rejects it as the one of `index`.
    pub(super) fn take(&mut self, index: usize, line: &[u8]) {
        let decoded = decode(line, self.race_seconds);
        let loggable = decoded.and_then(|event| Ok((event, loggable(line)?)));
        let taken = loggable
            .map_err(|reject| reject.to_string())
            .and_then(|(event, text)| self.grant.refuses(&event).map_or(Ok((event, text)), Err));
        match taken {
            Ok((event, text)) => {
                self.count += 1;
                self.bytes += line.len();
                self.lines.push(&text);
                match event {
                    Event::Race(taken) => self.events.samples.push(taken.event),
                    Event::Tracking(taken) => self.events.tracking.push(taken.event),
                }
            }
            Err(reason) => self.reject(index, reason, line),
        }
    }

    /// Rejects what came as the event of `index`.
    pub(super) fn reject(&mut self, index: usize, reason: String, data: &[u8]) {
        self.count += 1;
        self.bytes += data.len();
        let text = data.get(..LINE_BYTES_MAX).unwrap_or(data).to_owned();
        self.rejected.push(Rejected { index, reason, text });
    }
}

/// Takes each element of an array as an event.
struct Elements<'b>(&'b mut Batch, NonZeroU32);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.0.take(self.0.count, element.get().as_bytes());
            self.0.check_count(self.1).map_err(|_| A::Error::custom("too many events"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::ARRIVAL_BYTES;

    fn view(more: &str) -> String {
        format!(r#"{{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1{more}}}"#)
    }

    #[test]
    fn an_event_is_taken_only_if_its_line_in_the_log_is_read_again() {
        let longest = LINE_BYTES_MAX - ARRIVAL_BYTES;
        let long = |bytes: usize| {
            view(&format!(r#","x":"{}""#, "x".repeat(bytes - view(r#","x":"""#).len())))
        };
        let taken = |line: &str| {
            let batch =
                Batch::of(line.as_bytes(), Kind::Lines, Grant::default(), 300, NonZeroU32::MAX)
                    .unwrap();
            (batch.lines.len(), batch.events.tracking.len(), batch.rejected.len())
        };
        assert_eq!(taken(&long(longest)), (1, 1, 0));
        assert_eq!(taken(&format!(" {}\t", long(longest))), (1, 1, 0));
        assert_eq!(taken(&long(longest + 1)), (0, 0, 1));
        assert_eq!(taken(&long(LINE_BYTES_MAX + 1)), (0, 0, 1));
    }

    proptest! {
        #[test]
        fn no_body_panics_and_every_event_has_one_verdict(
            lines in prop::collection::vec(
                prop_oneof!["[ -~]{0,30}", Just(view("")), Just(view(r#","arrivalTimestamp":1"#))],
                1..20,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let body = lines.join("\n");
            if let Ok(batch) = Batch::of(body.as_bytes(), Kind::Lines, Grant::default(), 300, NonZeroU32::MAX) {
                let sent = lines.iter().filter(|line| !line.trim().is_empty()).count();
                prop_assert_eq!(batch.count(), sent);
                prop_assert_eq!(batch.lines.len() + batch.rejected.len(), sent);
                prop_assert_eq!(batch.lines.len(), batch.events.tracking.len());
                prop_assert!(batch.rejected.iter().is_sorted_by_key(|rejected| rejected.index));
            }
            let array = format!("[{}]", lines.join(","));
            let cut = cut.index(array.len());
            for body in [array.as_bytes(), &array.as_bytes()[..cut]] {
                _ = Batch::of(body, Kind::Json, Grant::default(), 300, NonZeroU32::MAX);
            }
        }
    }
}
