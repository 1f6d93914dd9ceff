//! Measures the service's own metrics for the topic `stats`.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use velodrome_dataflows::Scoring;

use super::payload::Stats;
use crate::engine::Engine;
use crate::memory::resident_bytes;
use crate::rebuild_requests::RebuildRequests;
use crate::rules;
use crate::serve::ack_latency::AckLatency;

/// The time between two measurements.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// Measures [`Stats`] once a second.
pub(super) struct StatsMeter<L> {
    engine: Engine,
    /// Returns the lag of the engine behind the service's clock.
    lag: L,
    ack_latency: Arc<AckLatency>,
    rebuilds: RebuildRequests,
    /// The active rules at the last measurement, and their id.
    rules: Option<(Arc<Scoring>, Arc<str>)>,
    stats: Stats,
    /// The number of measurements so far.
    version: u64,
    measured_at: Instant,
    /// The number of events that were sent to the engine before `measured_at`.
    events_sent: u64,
}

impl<L: Fn() -> Duration> StatsMeter<L> {
    pub(super) fn new(
        engine: Engine,
        lag: L,
        ack_latency: Arc<AckLatency>,
        rebuilds: RebuildRequests,
    ) -> Self {
        Self {
            events_sent: engine.events_sent(),
            engine,
            lag,
            ack_latency,
            rebuilds,
            rules: None,
            stats: Stats::default(),
            version: 0,
            measured_at: Instant::now(),
        }
    }

    /// The newest measurement, and the number of measurements so far.
    pub(super) fn newest(&self) -> (&Stats, u64) {
        (&self.stats, self.version)
    }

    pub(super) fn next_due(&self) -> Instant {
        self.measured_at + STATS_INTERVAL
    }

    /// Measures if a second has passed since the last measurement, and returns whether it did. `streams`
    /// is the number of open streams.
    pub(super) fn measure(&mut self, streams: usize) -> bool {
        let elapsed = self.measured_at.elapsed();
        if self.version > 0 && elapsed < STATS_INTERVAL {
            return false;
        }
        let sent = self.engine.events_sent();
        let events = sent - mem::replace(&mut self.events_sent, sent);
        self.measured_at += elapsed;
        self.version += 1;
        let seconds = elapsed.max(STATS_INTERVAL).as_secs_f64();
        let latency = self.ack_latency.take();
        self.stats = Stats {
            events_per_second: (events as f64 / seconds).round() as u64,
            ack_p50_ms: latency.map(|latency| latency.p50_ms),
            ack_p99_ms: latency.map(|latency| latency.p99_ms),
            lag_ms: (self.lag)().as_millis() as u64,
            streams,
            resident_bytes: resident_bytes(),
            workers: self.engine.workers().len(),
            processes: self.engine.processes(),
            rules_id: self.rules_id(),
            rebuild: self.rebuilds.progress().map(Into::into),
        };
        true
    }

    /// The id of the active rules, recomputed only when they have changed.
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
