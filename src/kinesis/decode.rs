//! Records to lines of the log, and to dead letters.

use std::borrow::Cow;

use super::aggregate;
use super::shard::Record;
use crate::dead_letters::{DeadLetters, Letter, Source};
use crate::engine::Events;
use crate::ingest::decode::decode;
use crate::ingest::event::{Event, Reject};
use crate::ingest::lines::LINE_BYTES_MAX;
use crate::ingest::record::events;
use crate::log::{Lines, SourceTime, loggable};

/// What records hold.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The events that are taken, as they stand in the log, with their records' arrivals.
    pub(super) lines: Lines,
    /// The same for the engine, in the same order.
    pub(super) events: Events,
    /// How many are not taken.
    pub(super) rejected: usize,
}

impl Decoded {
    /// What `records` hold, of races of `race_seconds`.
    pub(super) fn of(records: &[Record], time: &SourceTime, race_seconds: u16) -> Self {
        let mut decoded = Self::default();
        each(records, race_seconds, |record, _, taken| match taken {
            Ok((event, text)) => {
                let clock = decoded.lines.push_at(&text, time.at(record.arrival_ms));
                match event {
                    Event::Race(mut taken) => {
                        taken.event.clock = clock;
                        decoded.events.samples.push(taken.event);
                    }
                    Event::Tracking(mut taken) => {
                        taken.event.clock = clock;
                        decoded.events.tracking.push(taken.event);
                    }
                }
            }
            Err(_) => decoded.rejected += 1,
        });
        decoded
    }
}

/// Keeps the events of `records` of `shard` that are not taken as dead letters. Blocks on the disk.
pub(super) fn bury(records: &[Record], shard: &str, race_seconds: u16, letters: &DeadLetters) {
    // Decoded once more, so that what is rejected takes no memory until it is kept: of nonsense it would
    // be many times what it came as.
    each(records, race_seconds, |record, line, taken| {
        if let Err(reject) = taken {
            letters.keep([Letter {
                source: Source::Stream { shard_id: shard, sequence_number: &record.sequence },
                arrival_ms: Some(record.arrival_ms),
                reason: &reject.to_string(),
                data: line.get(..LINE_BYTES_MAX).unwrap_or(line),
            }]);
        }
    });
}

/// An event, and its text as the log takes it.
type Taken<'a> = Result<(Event, Cow<'a, [u8]>), Reject>;

/// Calls `take` with each event of `records`, in order.
pub(super) fn each(
    records: &[Record],
    race_seconds: u16,
    mut take: impl FnMut(&Record, &[u8], Taken<'_>),
) {
    for record in records {
        for data in aggregate::records(&record.data) {
            for line in events(&data, race_seconds) {
                let decoded = decode(line, race_seconds);
                take(record, line, decoded.and_then(|event| Ok((event, loggable(line)?))));
            }
        }
    }
}
