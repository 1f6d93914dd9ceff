//! Decoding of records: accepted events become lines of the log, rejected ones become dead letters.

use std::borrow::Cow;

use super::aggregate;
use super::shard_reader::Record;
use crate::dead_letters::{DeadLetter, DeadLetterQueue, Source};
use crate::engine::Events;
use crate::ingest::decode::decode;
use crate::ingest::event::Event;
use crate::ingest::lines::LINE_BYTES_MAX;
use crate::ingest::record::split_events;
use crate::ingest::rejection::Rejection;
use crate::log::{LogLines, RejectedLine, SourceClock, log_text};

/// The events of some records.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The accepted events as lines of the log, with their records' arrivals.
    pub(super) lines: LogLines,
    /// The accepted events for the engine, in the same order.
    pub(super) events: Events,
    /// The number of rejected events.
    pub(super) rejected: usize,
}

impl Decoded {
    /// Decodes the events in `records`, of races that last `race_seconds`.
    pub(super) fn from_records(records: &[Record], time: &SourceClock, race_seconds: u16) -> Self {
        let mut decoded = Self::default();
        for_each_event(records, race_seconds, |record, _, result| match result {
            Ok((event, text)) => {
                let line = decoded.lines.len() as u64;
                decoded.lines.push_arrived(&text, time.clock_ms_at(record.arrival_ms));
                match event {
                    Event::Race(mut race) => {
                        race.event.clock = line;
                        decoded.events.samples.push(race.event);
                    }
                    Event::Tracking(mut tracking) => {
                        tracking.event.clock = line;
                        decoded.events.tracking.push(tracking.event);
                    }
                }
            }
            Err(_) => decoded.rejected += 1,
        });
        decoded
    }
}

/// Adds the rejected events in `records` of `shard` to the dead letters: those that are invalid, and the
/// lines `by_log` that the log rejected. Blocks on the disk.
pub(super) fn dead_letter(
    records: &[Record],
    shard: &str,
    race_seconds: u16,
    by_log: Vec<RejectedLine>,
    dead_letters: &DeadLetterQueue,
) {
    let (mut by_log, mut next_line) = (by_log.into_iter().peekable(), 0);
    // The records are decoded a second time, so that rejected events use no memory until they are
    // written. For garbage input, the error messages would be many times larger than the data.
    for_each_event(records, race_seconds, |record, line, result| {
        let reject = match result {
            Ok(_) => {
                let index = next_line;
                next_line += 1;
                by_log.next_if(|rejected| rejected.index == index).map(|rejected| rejected.reason)
            }
            Err(reject) => Some(reject),
        };
        if let Some(reject) = reject {
            dead_letters.add([DeadLetter {
                source: Source::Stream { shard_id: shard, sequence_number: &record.sequence },
                arrival_ms: Some(record.arrival_ms),
                reason: &reject.to_string(),
                data: line.get(..LINE_BYTES_MAX).unwrap_or(line),
            }]);
        }
    });
}

/// An event and its text for the log, or why it is rejected.
type DecodeResult<'a> = Result<(Event, Cow<'a, [u8]>), Rejection>;

/// Calls `visit` with each event in `records`, in order: its record, its text as received, and the
/// result of decoding.
pub(super) fn for_each_event(
    records: &[Record],
    race_seconds: u16,
    mut visit: impl FnMut(&Record, &[u8], DecodeResult<'_>),
) {
    for record in records {
        for data in aggregate::records(&record.data) {
            for line in split_events(&data, race_seconds) {
                let decoded = decode(line, race_seconds);
                visit(record, line, decoded.and_then(|event| Ok((event, log_text(line)?))));
            }
        }
    }
}
