//! The hub: one task that turns changes of the live state into frames.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use velodrome_dataflows::EventTime;

use super::broker::{Broker, NewFrame};
use super::change_tracker::{FrameKind, LiveUpdate};
use super::message::Message;
use super::stats_meter::StatsMeter;
use super::topic::Topic;
use crate::engine::Engine;
use crate::rebuild_requests::RebuildRequests;
use crate::serve::ack_latency::AckLatency;
use crate::serve::blocking::task_failed;
use crate::serve::reads::ReadState;

/// Builds the frames of all active topics.
pub(in crate::serve) struct Hub<L> {
    broker: Arc<Broker>,
    engine: Engine,
    reads: ReadState,
    stats: StatsMeter<L>,
    /// The complete time in the last round.
    complete: EventTime,
    /// Large snapshots that are being encoded. Other topics do not wait for them.
    snapshots: JoinSet<NewFrame>,
}

/// What one round publishes.
struct Round {
    position: EventTime,
    messages: Vec<(Topic, FrameKind, Message)>,
    /// When the next round is due, even if no time completes until then.
    next_due: Instant,
}

impl<L: Fn() -> Duration> Hub<L> {
    /// A hub that publishes to `broker`. `lag` returns the lag of the engine behind the service's clock.
    pub(in crate::serve) fn new(
        broker: Arc<Broker>,
        engine: Engine,
        reads: ReadState,
        lag: L,
        ack_latency: Arc<AckLatency>,
        rebuilds: RebuildRequests,
    ) -> Self {
        let complete = engine.complete();
        let stats = StatsMeter::new(engine.clone(), lag, ack_latency, rebuilds);
        Self { broker, engine, reads, stats, complete, snapshots: JoinSet::new() }
    }

    /// Publishes frames until the engine stops.
    pub(in crate::serve) async fn run(mut self) {
        loop {
            let next_due = self.publish().await;
            tokio::select! {
                completed = self.engine.wait_complete(self.complete + 1) => {
                    if completed.is_err() {
                        return;
                    }
                }
                Some(encoded) = self.snapshots.join_next() => self.publish_snapshot(encoded),
                () = self.broker.snapshot_requested.notified() => {}
                () = sleep_until(next_due) => {}
            }
        }
    }

    /// Publishes all frames that are due, and returns when the next ones are due.
    pub(super) async fn publish(&mut self) -> Instant {
        if self.stats.measure(self.broker.streams()) {
            self.broker.remove_idle_topics();
        }
        let Round { position, messages, next_due } = self.collect_due();
        let reads = &self.reads;
        let (large, messages): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|(_, _, message)| message.is_large());
        let has_messages = !(large.is_empty() && messages.is_empty());
        for (topic, kind, message) in large {
            let encode = message.encoder(position, &topic);
            self.snapshots.spawn_blocking(move || NewFrame { topic, kind, frame: Ok(encode()) });
        }
        let frames = messages.into_iter().map(|(topic, kind, mut message)| async move {
            let fetched = message.fetch_missing(reads).await;
            let frame = fetched.map(|()| message.encoder(position, &topic)());
            NewFrame { topic, kind, frame }
        });
        let frames = join_all(frames).await;
        if has_messages {
            self.broker.publish(position, frames);
        }
        next_due
    }

    /// Publishes a snapshot that was encoded in the background.
    fn publish_snapshot(&self, encoded: Result<NewFrame, JoinError>) {
        match encoded {
            Ok(snapshot) => self.broker.publish_snapshot(snapshot),
            // Its topic stays without a snapshot. A panic is logged where it occurs.
            Err(error) => drop(task_failed(error)),
        }
    }

    /// Publishes all frames that are due, and waits for large snapshots.
    #[cfg(test)]
    pub(super) async fn publish_with_snapshots(&mut self) {
        self.publish().await;
        while let Some(encoded) = self.snapshots.join_next().await {
            self.publish_snapshot(encoded);
            self.publish().await;
        }
    }

    /// Reads the live state once for all topics, and returns the messages that are due.
    fn collect_due(&mut self) -> Round {
        let now = Instant::now();
        let state = self.broker.read();
        self.complete = self.engine.complete();
        let (time, live) = self.engine.live_state();
        let changed = live.take_changed();
        let (stats, stats_version) = self.stats.newest();
        let update = LiveUpdate { time, live: &live, changed: &changed, stats, stats_version };
        // Several rounds can have the same time, if a topic's delay ends before the time advances.
        let position = time.max(state.published + 1);
        let (mut messages, mut next_due) = (Vec::new(), self.stats.next_due());
        for (topic, topic_state) in &state.topics {
            let due = topic_state.due_messages(&update, now);
            next_due = due.next_due.map_or(next_due, |topic_due| topic_due.min(next_due));
            let due = due.messages.into_iter();
            messages.extend(due.map(|(kind, message)| (topic.clone(), kind, message)));
        }
        Round { position, messages, next_due }
    }
}
