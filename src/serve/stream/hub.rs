//! The hub: one task that reads the live state after each tick. It builds a frame of the changes for each
//! followed topic; all clients of the topic share it.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};
use velodrome_dataflows::{EventTime, Scoring};

use super::channels::Channels;
use super::draft::{Draft, Stats};
use super::ring::{Frame, SNAPSHOT_EVERY};
use super::tick::{Place, Tick};
use super::topic::Topic;
use crate::engine::Engine;
use crate::memory::resident_bytes;
use crate::rebuild_requests::RebuildRequests;
use crate::rules;
use crate::serve::ack_latency::AckLatency;
use crate::serve::reads::ReadState;

/// How often the service's own figures are measured and topics without clients are removed.
const MEASURE: Duration = Duration::from_secs(1);

/// Reads the live state and publishes frames to the channels.
pub(in crate::serve) struct Hub<L> {
    channels: Arc<Channels>,
    engine: Engine,
    reads: ReadState,
    /// Returns the engine's lag behind the service's clock.
    lag: L,
    ack_latency: Arc<AckLatency>,
    rebuilds: RebuildRequests,
    /// The most recent rules and their identity.
    rules: Option<(Arc<Scoring>, Arc<str>)>,
    /// The complete time at the previous tick.
    seen: EventTime,
    stats: Stats,
    /// Number of measurements of `stats`, time of the last one, and number of events up to it.
    second: u64,
    measured: Instant,
    events: u64,
}

/// The frames to publish at a position.
struct Drafts {
    position: EventTime,
    drafts: Vec<(Topic, Place, Draft)>,
    /// When the next tick is due even if the engine does not advance.
    next: Instant,
}

impl<L: Fn() -> Duration> Hub<L> {
    pub(in crate::serve) fn new(
        channels: Arc<Channels>,
        engine: Engine,
        reads: ReadState,
        lag: L,
        ack_latency: Arc<AckLatency>,
        rebuilds: RebuildRequests,
    ) -> Self {
        let (seen, stats, events) = (engine.complete(), Stats::default(), engine.events_sent());
        let measured = Instant::now();
        let second = 0;
        Self {
            channels,
            engine,
            reads,
            lag,
            ack_latency,
            rebuilds,
            rules: None,
            seen,
            stats,
            second,
            measured,
            events,
        }
    }

    /// Publishes until the engine stops.
    pub(super) async fn run(mut self) {
        loop {
            let next = self.tick().await;
            tokio::select! {
                reached = self.engine.wait_complete(self.seen + 1) => {
                    if reached.is_err() {
                        return;
                    }
                }
                () = self.channels.snapshot_request.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Publishes the frames that are due and returns when to run again if the engine does not advance.
    pub(super) async fn tick(&mut self) -> Instant {
        self.measure();
        let Drafts { position, drafts, next } = self.drafts();
        let (id, reads) = (self.channels.id(position), &self.reads);
        let frames = drafts.into_iter().map(|(topic, place, mut draft)| {
            let id = &id;
            async move {
                let made = draft.complete(reads).await;
                let id = topic.has_ids().then_some(id.as_str());
                let frame = made.map(|()| Frame::new(position, id, &draft.text(&topic)));
                (topic, place, frame)
            }
        });
        let frames = join_all(frames).await;
        if !frames.is_empty() {
            self.channels.publish(position, frames);
        }
        next
    }

    /// Records the changes in all topics and drafts the frames that are due, all at the same time.
    fn drafts(&mut self) -> Drafts {
        let now = Instant::now();
        let state = self.channels.read();
        self.seen = self.engine.complete();
        let (time, live) = self.engine.live_state();
        let touched = live.take_changed();
        let (stats, second) = (&self.stats, self.second);
        let tick = Tick { time, live: &live, touched: &touched, stats, second };
        // A time can have several positions: a topic's frame can be due before the engine advances.
        let position = time.max(state.published + 1);
        let (mut drafts, mut next) = (Vec::new(), self.measured + MEASURE);
        for (topic, channel) in &state.channels {
            let mut topic_state = channel.state.lock().unwrap_or_else(PoisonError::into_inner);
            topic_state.is_pending |= topic_state.source.note(&tick);
            let mut is_whole = false;
            if topic_state.is_pending {
                let due =
                    topic_state.due(channel.subscribers.len(), channel.ring.last_bytes(), now);
                if due > now {
                    next = next.min(due);
                } else if let Some((place, draft)) = topic_state.next(&tick, now) {
                    is_whole = place == Place::Begin;
                    drafts.push((topic.clone(), place, draft));
                }
            }
            if channel.snapshot_requested.load(Ordering::Acquire) && !is_whole {
                let due = channel.ring.refreshed().map_or(now, |made| made + SNAPSHOT_EVERY);
                if due > now {
                    next = next.min(due);
                } else {
                    drafts.push((
                        topic.clone(),
                        Place::Refresh,
                        topic_state.source.snapshot(&tick),
                    ));
                }
            }
        }
        Drafts { position, drafts, next }
    }

    /// Measures the service's figures and removes topics without clients, once a second.
    fn measure(&mut self) {
        let elapsed = self.measured.elapsed();
        if self.second > 0 && elapsed < MEASURE {
            return;
        }
        let taken = self.engine.events_sent();
        let events = taken - mem::replace(&mut self.events, taken);
        self.measured += elapsed;
        self.second += 1;
        let waits = self.ack_latency.take();
        self.stats = Stats {
            events_per_second: (events as f64 / elapsed.as_secs_f64().max(MEASURE.as_secs_f64()))
                .round() as u64,
            ack_p50_ms: waits.map(|waits| waits.p50_ms),
            ack_p99_ms: waits.map(|waits| waits.p99_ms),
            lag_ms: (self.lag)().as_millis() as u64,
            streams: self.channels.streams(),
            resident_bytes: resident_bytes(),
            workers: self.engine.workers().len(),
            processes: self.engine.processes(),
            rules_id: self.rules_id(),
            rebuild: self.rebuilds.progress().map(Into::into),
        };
        self.channels.sweep();
    }

    /// Returns the identity of the active rules; recomputed only when the rules change.
    fn rules_id(&mut self) -> Arc<str> {
        let rules = self.engine.rules();
        match &self.rules {
            Some((known, id)) if Arc::ptr_eq(known, &rules) => Arc::clone(id),
            _ => {
                let id: Arc<str> = rules::id(rules.rules()).into();
                self.rules = Some((rules, Arc::clone(&id)));
                id
            }
        }
    }
}
