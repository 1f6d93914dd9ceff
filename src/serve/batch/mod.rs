//! Decodes events into accepted ones, ready for the log, and rejected ones.

mod decode_body;
#[cfg(test)]
mod tests;

use std::mem;

use velodrome_dataflows::{Sample, Tracking};

use super::permissions::Permissions;
use crate::engine::Events;
use crate::ingest::decode::decode;
use crate::ingest::event::Event;
use crate::ingest::lines::LINE_BYTES_MAX;
use crate::log::{LogLines, log_text};

/// The decoded events of a body, or of a part of it.
#[derive(Debug)]
pub(super) struct Batch {
    /// The accepted events, as lines of the log.
    pub(super) lines: LogLines,
    /// The position of each accepted event, in the same order, as in [`Rejected`].
    pub(super) indices: Vec<usize>,
    /// The same events for the engine, in the same order.
    pub(super) events: Events,
    pub(super) rejected: Vec<Rejected>,
    count: usize,
    bytes: usize,
    permissions: Permissions,
    race_seconds: u16,
}

/// A rejected event.
#[derive(Debug)]
pub(super) struct Rejected {
    /// The position of the event in the body, or of its record in the delivery, from 0.
    pub(super) index: usize,
    pub(super) reason: String,
    /// Its text, cut off after 1 MiB.
    pub(super) text: Vec<u8>,
}

impl Rejected {
    /// The approximate size of the verdicts on `rejected` in a reply, in bytes.
    pub(super) fn verdict_bytes(rejected: &[Self]) -> usize {
        // `{"index":,"error":""},` and the digits of the index.
        rejected.iter().map(|rejected| rejected.reason.len() + 30).sum()
    }
}

impl Batch {
    /// An empty batch. It will accept events that `permissions` include, of races of `race_seconds`.
    pub(super) fn new(permissions: Permissions, race_seconds: u16) -> Self {
        Self {
            lines: LogLines::new(),
            indices: Vec::new(),
            events: Events::default(),
            rejected: Vec::new(),
            count: 0,
            bytes: 0,
            permissions,
            race_seconds,
        }
    }

    /// The number of events, accepted and rejected.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Moves all events into a new batch, and leaves this one empty.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.permissions.clone(), self.race_seconds);
        mem::replace(self, empty)
    }

    /// The size of the events as they were sent, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Decodes the event at position `index`, and accepts or rejects it.
    pub(super) fn push(&mut self, index: usize, line: &[u8]) {
        let decoded = decode(line, self.race_seconds);
        let decoded = decoded.and_then(|event| Ok((event, log_text(line)?)));
        let decoded = decoded.map_err(|reject| reject.to_string());
        let permitted = decoded
            .and_then(|(event, text)| self.permissions.check_event(&event).map(|()| (event, text)));
        match permitted {
            Ok((event, text)) => {
                self.count += 1;
                self.bytes += line.len();
                let line = self.lines.len() as u64;
                self.lines.push(&text);
                self.indices.push(index);
                match event {
                    Event::Race(race) => {
                        self.events.samples.push(Sample { clock: line, ..race.event });
                    }
                    Event::Tracking(view) => {
                        self.events.tracking.push(Tracking { clock: line, ..view.event });
                    }
                }
            }
            Err(reason) => self.reject(index, reason, line),
        }
    }

    /// Rejects `data` as the event at position `index`.
    pub(super) fn reject(&mut self, index: usize, reason: String, data: &[u8]) {
        self.count += 1;
        self.bytes += data.len();
        let text = data.get(..LINE_BYTES_MAX).unwrap_or(data).to_owned();
        self.rejected.push(Rejected { index, reason, text });
    }
}
