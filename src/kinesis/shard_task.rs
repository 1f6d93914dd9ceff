//! The task that reads one shard into the log, until the shard is closed or the source stops.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::watch;
use tokio::time::sleep;

use super::append::{LOG, append};
use super::context::{Context, lag_gauge};
use super::shard_reader::{Batch, Record, ShardReader};
use super::stream_error::StreamError;
use crate::log::AppendError;

/// The wait while the log's queue is full: about the duration of a few group commits.
const FULL_WAIT: Duration = Duration::from_millis(20);
/// The wait while the log cannot be written. The log itself retries at this interval.
const FAILED_WAIT: Duration = Duration::from_secs(1);

/// Reads the shard of `reader`. Returns when all records of a closed shard are in the log, when another
/// stream has taken over the name, or when the source stops.
pub(super) async fn run(context: Arc<Context>, mut reader: ShardReader) {
    let shard = reader.shard().to_owned();
    let mut stop = context.stop.clone();
    let lag = lag_gauge(&shard);
    loop {
        context.progress.check_retention(&shard, context.wall.now());
        let result = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            result = reader.next() => result,
        };
        let batch = match result {
            Ok(batch) => batch,
            Err(error) => match handle_error(&context, &shard, &error).await {
                ControlFlow::Continue(()) => continue,
                ControlFlow::Break(()) => return,
            },
        };
        context.failures.set_ok(&shard);
        lag.set(batch.behind_ms as f64 / 1_000.0);
        let is_closed = batch.is_closed;
        if append_batch(&context, &shard, &mut stop, batch).await.is_break() {
            return;
        }
        if is_closed {
            context.progress.finish(&shard);
            return;
        }
    }
}

/// Records a failed call. Breaks if the stream was deleted and another one was created under its name.
async fn handle_error(context: &Context, shard: &str, error: &StreamError) -> ControlFlow<()> {
    if matches!(error, StreamError::Throttled { .. }) {
        counter!("velodrome_source_throttles_total").increment(1);
    }
    context.failures.fail(shard, error);
    if matches!(error, StreamError::NotFound { .. })
        && let Ok(summary) = context.stream.describe().await
        && summary.created_ms != context.created_ms
    {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}

/// Appends a batch to the log. Returns when the log has all of it, and breaks if the source stops first.
async fn append_batch(
    context: &Arc<Context>,
    shard: &str,
    stop: &mut watch::Receiver<bool>,
    batch: Batch,
) -> ControlFlow<()> {
    let (progress, is_at_end) = (&context.progress, batch.is_at_end());
    let records: Arc<[Record]> = batch.records.into();
    let mut done = 0;
    while let Some(next) = records.get(done) {
        let next_ms = progress.time().clock_ms_at(next.arrival_ms);
        let limit_ms = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return ControlFlow::Break(()),
            limit_ms = progress.admit(shard, next_ms) => limit_ms,
        };
        let wait = match append(context, shard, &records, &mut done, limit_ms).await {
            Ok(()) => continue,
            Err(AppendError::Closed) => return ControlFlow::Break(()),
            Err(AppendError::QueueFull) => FULL_WAIT,
            Err(
                error @ (AppendError::MemoryFull
                | AppendError::Unavailable(_)
                | AppendError::Poisoned(_)),
            ) => {
                context.failures.fail(LOG, &error);
                FAILED_WAIT
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return ControlFlow::Break(()),
            () = sleep(wait) => (),
        }
    }
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    counter!("velodrome_source_records_total").increment(records.len() as u64);
    counter!("velodrome_source_bytes_total").increment(bytes as u64);
    let last_ms = records.last().map(|record| record.arrival_ms);
    let until_ms = match is_at_end {
        true => batch.polled_ms,
        false => last_ms.unwrap_or_else(|| batch.polled_ms.saturating_sub(batch.behind_ms)),
    };
    progress.advance(shard, until_ms, is_at_end, context.wall.now());
    ControlFlow::Continue(())
}
