//! Appends the records of a shard to the log, in chunks.

use std::future::pending;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;

use metrics::counter;
use tokio::sync::oneshot;
use tokio::task::{JoinError, spawn_blocking};

use super::context::Context;
use super::decode::{Decoded, dead_letter};
use super::shard_reader::Record;
use crate::log::{AppendError, Appended, SourceClock};

/// The size at which a chunk is closed: some 5,000 events, which take a millisecond to decode.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest time between the first and the last arrival of a chunk, in the service's time. All events
/// of a chunk get the same time in the graph. Their event clocks may lag that time by at most a minute
/// (`EVENT_LAG_MS_MAX` of the dataflow crate).
const CHUNK_MS: u64 = 5_000;
/// The maximum number of chunks of a shard in the queue of the log. More would gain nothing, because the
/// log writes all queued chunks together.
const CHUNKS_MAX: usize = 8;
/// The name of the log among the components of a source that can fail.
pub(super) const LOG: &str = "log";

/// A chunk that was queued in the log.
struct InFlight {
    records: Range<usize>,
    /// The race length that its events were decoded with.
    race_seconds: u16,
    accepted: usize,
    rejected: usize,
    /// The log's response; none if all events of the chunk were rejected.
    appended: Option<oneshot::Receiver<Result<Appended, AppendError>>>,
}

/// Appends `records` to the log, from index `done` up to the last record that arrived by `limit_ms`, in
/// at most [`CHUNKS_MAX`] chunks. Waits until the chunks are durable, and advances `done` past them.
///
/// # Errors
/// The log's error for the chunk at `done`. Later chunks may still be in the log.
pub(super) async fn append(
    context: &Arc<Context>,
    shard: &str,
    records: &Arc<[Record]>,
    done: &mut usize,
    limit_ms: u64,
) -> Result<(), AppendError> {
    let (mut in_flight, mut queued, mut at) = (Vec::new(), Ok(()), *done);
    while in_flight.len() < CHUNKS_MAX && queued.is_ok() {
        let chunk = chunk(records, at, context.progress.time(), limit_ms);
        if chunk.is_empty() {
            break;
        }
        at = chunk.end;
        let race_seconds = context.sinks.race_seconds();
        let decoded = decode(context, records, chunk.clone(), race_seconds).await;
        let Decoded { lines, events, rejected } = decoded;
        let accepted = lines.len();
        let add = |appended| {
            let records = chunk;
            in_flight.push(InFlight { records, race_seconds, accepted, rejected, appended });
        };
        match accepted {
            0 => add(None),
            _ => queued = context.sinks.log.append(lines, events).map(|result| add(Some(result))),
        }
    }
    for chunk in in_flight {
        *done = complete(context, shard, records, chunk).await?;
    }
    queued
}

/// Waits until a chunk is durable, writes its dead letters, and moves the shard's position past it.
/// Returns the index after it.
async fn complete(
    context: &Arc<Context>,
    shard: &str,
    records: &Arc<[Record]>,
    InFlight { records: chunk, race_seconds, accepted, rejected, appended }: InFlight,
) -> Result<usize, AppendError> {
    let (arrival_ms, rejected_by_log) = match appended {
        Some(appended) => {
            let Appended { arrival_ms, rejected } =
                appended.await.map_err(|_| AppendError::Closed)??;
            (Some(arrival_ms), rejected)
        }
        None => (None, Vec::new()),
    };
    context.failures.set_ok(LOG);
    let (accepted, rejected) = (accepted - rejected_by_log.len(), rejected + rejected_by_log.len());
    if rejected > 0 {
        let (context, shard) = (Arc::clone(context), shard.to_owned());
        blocking(records, chunk.clone(), move |records| {
            let dead_letters = &context.sinks.dead_letters;
            dead_letter(records, &shard, race_seconds, rejected_by_log, dead_letters);
        })
        .await;
    }
    counter!("velodrome_events_total", "verdict" => "accepted").increment(accepted as u64);
    counter!("velodrome_events_total", "verdict" => "rejected").increment(rejected as u64);
    let end = chunk.end;
    if let Some(last) = records.get(chunk).and_then(<[_]>::last) {
        context.progress.commit(shard, last, arrival_ms, context.wall.now());
    }
    Ok(end)
}

/// Decodes a chunk.
async fn decode(
    context: &Arc<Context>,
    records: &Arc<[Record]>,
    chunk: Range<usize>,
    race_seconds: u16,
) -> Decoded {
    let time = context.progress.time().clone();
    blocking(records, chunk, move |records| Decoded::from_records(records, &time, race_seconds))
        .await
}

/// Runs `work` on a chunk, on a thread that may block.
async fn blocking<T: Send + 'static>(
    records: &Arc<[Record]>,
    chunk: Range<usize>,
    work: impl FnOnce(&[Record]) -> T + Send + 'static,
) -> T {
    let records = Arc::clone(records);
    let work = spawn_blocking(move || work(records.get(chunk).unwrap_or_default()));
    match work.await.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is shutting down, which drops this future too.
        Err(Err(_)) => pending().await,
    }
}

/// The chunk of `records` that begins at `from`. It ends before the first record that arrived after
/// `limit_ms` in the service's time.
fn chunk(records: &[Record], from: usize, time: &SourceClock, limit_ms: u64) -> Range<usize> {
    let rest = records.get(from..).unwrap_or_default();
    let first_ms = rest.first().map_or(0, |first| time.clock_ms_at(first.arrival_ms));
    let last_ms = limit_ms.min(first_ms.saturating_add(CHUNK_MS));
    let mut bytes = 0;
    let fits = |record: &&Record| {
        let has_room = bytes < CHUNK_BYTES;
        bytes += record.data.len();
        has_room && time.clock_ms_at(record.arrival_ms) <= last_ms
    };
    from..from + rest.iter().take_while(fits).count()
}
