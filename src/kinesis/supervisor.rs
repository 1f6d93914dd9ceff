//! The supervisor of a source: lists the shards, and runs one task per shard that may be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use tracing::info;

use super::context::{Context, lag_gauge};
use super::positions_file::PositionsError;
use super::shard_reader::ShardReader;
use super::shard_task;
use super::start::Start;
use super::stream_error::StreamError;
use crate::aws::backoff;

/// The interval between listings of the shards. They are also listed when a shard's task ends.
const LIST_INTERVAL: Duration = Duration::from_secs(30);
/// The first wait after a failed listing.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// The name of the stream among the components of a source that can fail.
const STREAM: &str = "stream";

/// The tasks of a stream's shards.
pub(super) struct Supervisor {
    context: Arc<Context>,
    tasks: JoinSet<()>,
    running: BTreeMap<String, AbortHandle>,
    /// Whether the first readers start after the newest record.
    is_at_latest: bool,
}

/// Why shards could not be listed.
enum ListError {
    /// The listing is retried.
    Stream(StreamError),
    /// Another stream has the name, so reading cannot continue.
    Positions(PositionsError),
}

impl Supervisor {
    pub(super) fn new(context: Arc<Context>, is_at_latest: bool) -> Self {
        Self { context, tasks: JoinSet::new(), running: BTreeMap::new(), is_at_latest }
    }

    /// Reads the shards of this service, each after its parents, until the source stops.
    pub(super) async fn run(mut self) {
        let mut stop = self.context.stop.clone();
        let mut failures = 0;
        loop {
            let listed = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                listed = self.refresh() => listed,
            };
            let wait = match listed {
                Ok(()) => {
                    self.context.failures.set_ok(STREAM);
                    failures = 0;
                    LIST_INTERVAL
                }
                Err(ListError::Stream(error)) => {
                    self.context.failures.fail(STREAM, error);
                    failures += 1;
                    backoff(RETRY_WAIT, failures)
                }
                Err(ListError::Positions(error)) => {
                    self.halt(error, &mut stop).await;
                    break;
                }
            };
            let has_panicked = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.tasks.join_next() => ended.is_err_and(|error| error.is_panic()),
                // Their children can be this node's.
                () = self.context.progress.wait_finished_elsewhere() => false,
                () = sleep(wait) => false,
            };
            if has_panicked {
                // The shard's next task resumes at its position, after a pause.
                sleep(RETRY_WAIT).await;
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Stops reading for good, because only an operator can decide what to do with the positions.
    /// Reports `error` and waits until the source stops.
    async fn halt(&mut self, error: PositionsError, stop: &mut watch::Receiver<bool>) {
        self.tasks.shutdown().await;
        self.context.failures.component().fail(error);
        stop.wait_for(|stop| *stop).await.map(drop).unwrap_or_default();
    }

    /// Lists the shards. Starts tasks for those that may be read now, and removes those that have ended.
    async fn refresh(&mut self) -> Result<(), ListError> {
        let Context { stream, progress, failures, sinks, .. } = &*self.context;
        let summary = stream.describe().await.map_err(ListError::Stream)?;
        progress.check_stream(stream, summary.created_ms).map_err(ListError::Positions)?;
        let listed = stream.shards().await.map_err(ListError::Stream)?;
        let (readable, lost) =
            progress.update_shards(&listed, summary.retention_ms, sinks.max_drift_ms());
        for shard in &lost {
            if let Some(task) = self.running.get(shard) {
                task.abort();
            }
        }
        let has_ended =
            |shard: &String, task: &mut AbortHandle| task.is_finished() || lost.contains(shard);
        let ended: Vec<_> =
            self.running.extract_if(.., has_ended).map(|(shard, _)| shard).collect();
        for shard in &readable {
            if !self.running.contains_key(shard) {
                let start = match progress.start(shard) {
                    Start::At(_) if self.is_at_latest => Start::Latest,
                    start => start,
                };
                info!(shard, ?start, "reading a shard");
                let wall = self.context.wall.clone();
                let reader = ShardReader::new(stream.clone(), shard.clone(), start, wall);
                let task = self.tasks.spawn(shard_task::run(Arc::clone(&self.context), reader));
                self.running.insert(shard.clone(), task);
            }
        }
        self.is_at_latest = false;
        for shard in ended.iter().filter(|shard| !readable.contains(shard)) {
            failures.set_ok(shard);
            lag_gauge(shard).set(0.0);
        }
        Ok(())
    }
}
