//! The state that the handlers share.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::StatusCode;
use tokio::sync::{SetOnce, watch};
use velodrome_dataflows::Scoring;

use super::ack_latency::AckLatency;
use super::answers::AnswerBudget;
use super::auth::Auth;
use super::error::ApiError;
use super::firehose::DeliveryDedup;
use super::limiter::Limiter;
use super::limits::Limits;
use super::origin::Origin;
use super::proxies::TrustedProxies;
use super::reads::ReadState;
use super::stream::{self, Broker, Hub, Streams};
use crate::bans::Bans;
use crate::cluster::{Stale, Status};
use crate::dead_letters::DeadLetterQueue;
use crate::engine::{Engine, Events};
use crate::health::Health;
use crate::log::{AppendError, Log};
use crate::publish::HistoryObjects;
use crate::rebuild_requests::RebuildRequests;

/// Why a service that recovers does not answer.
const STARTING: &str = "the service is starting";

/// The settings of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether requests need a token.
    pub auth: Auth,
    /// The web origins whose pages may call the service.
    pub origins: Vec<Origin>,
    /// The limits of clients and of the service.
    pub limits: Limits,
    /// The proxies that name the clients of the requests that they forward.
    pub proxies: TrustedProxies,
}

/// The components of a service.
pub struct AppParts {
    /// Answers queries.
    pub engine: Engine,
    /// Returns the lag of the engine behind the log.
    pub lag: Box<dyn Fn() -> Duration + Send + Sync>,
    /// Receives rejected events.
    pub dead_letters: DeadLetterQueue,
    /// The faults of components; the service is not ready while there are any.
    pub health: Health,
    /// The published history objects.
    pub objects: HistoryObjects,
    /// The ban list.
    pub bans: Bans,
    /// Requests to switch to new rules, and their progress.
    pub rebuilds: RebuildRequests,
    /// The state of the cluster that the service is a node of, if any.
    pub cluster: Option<Status>,
}

/// The application state. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    engine: Engine,
    reads: ReadState,
    answers: AnswerBudget,
    /// Empty until the log is recovered.
    log: SetOnce<Log<Events>>,
    lag: Box<dyn Fn() -> Duration + Send + Sync>,
    dead_letters: DeadLetterQueue,
    delivery_dedup: DeliveryDedup,
    ack_latency: Arc<AckLatency>,
    health: Health,
    objects: HistoryObjects,
    bans: Bans,
    rebuilds: RebuildRequests,
    streams: Streams,
    config: Config,
}

impl App {
    /// The state of a service made of `parts`. Most routes return 503 `starting` until [`App::start`].
    pub fn new(parts: AppParts, config: Config) -> Self {
        let AppParts { engine, lag, dead_letters, health, objects, bans, rebuilds, cluster } =
            parts;
        let answers = AnswerBudget::new(config.limits.answers_bytes_max);
        Self(Arc::new(Shared {
            reads: ReadState::new(engine.clone(), answers.clone()),
            answers,
            log: SetOnce::new(),
            lag,
            dead_letters,
            delivery_dedup: DeliveryDedup::new(),
            ack_latency: Arc::new(AckLatency::new()),
            health,
            objects,
            bans,
            rebuilds,
            streams: Streams {
                broker: Arc::new(Broker::new(stream::random_epoch())),
                limiter: Arc::new(Limiter::new(config.limits)),
                engine: engine.clone(),
                cluster,
            },
            engine,
            config,
        }))
    }

    /// Accepts events into `log` and answers reads from now on. The log must be recovered.
    pub fn start(&self, log: Log<Events>) {
        // A service starts once. The engine receives the events of the first log only.
        _ = self.0.log.set(log);
    }

    /// Publishes the frames of streams until `stop` is true or its sender is dropped; then all streams
    /// end. Until there are results, streams wait for their first frame.
    pub async fn run_streams(self, stop: watch::Receiver<bool>) {
        let Shared { engine, reads, ack_latency, rebuilds, streams, .. } = &*self.0;
        let broker = Arc::clone(&streams.broker);
        let publish = async {
            self.0.log.wait().await;
            // A node of a cluster has no results before its first generation. An error ends the hub too.
            _ = engine.wait_complete(1).await;
            streams.recheck_projects();
            let hub = Hub::new(
                Arc::clone(&broker),
                engine.clone(),
                reads.clone(),
                || self.results_lag(),
                Arc::clone(ack_latency),
                rebuilds.clone(),
            );
            hub.run().await;
        };
        stream::run(publish, Arc::clone(&broker), stop).await;
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What all reads share.
    pub(super) fn reads(&self) -> &ReadState {
        &self.0.reads
    }

    /// The bound on the bytes of answers in memory.
    pub(super) fn answers(&self) -> &AnswerBudget {
        &self.0.answers
    }

    pub(super) fn health(&self) -> &Health {
        &self.0.health
    }

    /// The log, or 503 `starting` until it is recovered.
    pub(super) fn log(&self) -> Result<&Log<Events>, ApiError> {
        self.0.log.get().ok_or_else(|| {
            let message = format!("{STARTING}; try again in a second");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "starting", message).retry_after(1)
        })
    }

    /// 503 `cluster_incomplete` until readers have a state: a node of a cluster waits for its first generation.
    pub(super) fn check_state(&self) -> Result<(), ApiError> {
        match self.stale() {
            Some(reason) if self.engine().complete() == 0 => Err(ApiError::no_generation(&reason)),
            _ => Ok(()),
        }
    }

    /// 503 `cluster_incomplete` while no generation of the cluster answers reads.
    pub(super) fn check_generation(&self) -> Result<(), ApiError> {
        self.stale().map_or(Ok(()), |reason| Err(ApiError::no_generation(&reason)))
    }

    /// 503 `cluster_incomplete` if the service is a node that was part of no generation yet.
    pub(super) fn check_member(&self) -> Result<(), ApiError> {
        self.outside().map_or(Ok(()), |reason| Err(ApiError::outside(&reason)))
    }

    /// Why the service may not accept events yet, if it is a node that was part of no generation.
    pub(super) fn outside(&self) -> Option<String> {
        self.cluster().and_then(Status::is_outside)
    }

    /// 503 `memory_full` if the process has more memory than it may. It never is before the service has started.
    pub(super) fn check_memory(&self) -> Result<(), ApiError> {
        let is_full = self.0.log.get().is_some_and(Log::is_refusing);
        if is_full { Err(AppendError::MemoryFull.into()) } else { Ok(()) }
    }

    /// Why streams that open now wait for their first frame, or why their results are not updated.
    pub(super) fn stream_staleness(&self) -> Stale {
        if self.0.log.get().is_none() { Some(STARTING.into()) } else { self.stale() }
    }

    pub(super) fn dead_letters(&self) -> &DeadLetterQueue {
        &self.0.dead_letters
    }

    pub(super) fn delivery_dedup(&self) -> &DeliveryDedup {
        &self.0.delivery_dedup
    }

    pub(super) fn ack_latency(&self) -> &AckLatency {
        &self.0.ack_latency
    }

    pub(super) fn bans(&self) -> &Bans {
        &self.0.bans
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.0.streams.limiter
    }

    /// The topics of streams.
    pub(super) fn broker(&self) -> &Broker {
        &self.0.streams.broker
    }

    #[cfg(test)]
    pub(super) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// The state of the cluster, if the service is a node of one.
    pub(super) fn cluster(&self) -> Option<&Status> {
        self.0.streams.cluster.as_ref()
    }

    /// Why results are not updated, if a cluster waits for nodes or catches up. Never for a single process.
    pub(super) fn stale(&self) -> Stale {
        self.cluster().and_then(Status::stale)
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.0.config.auth
    }

    pub(super) fn origins(&self) -> &[Origin] {
        &self.0.config.origins
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.config.limits
    }

    pub(super) fn rebuilds(&self) -> &RebuildRequests {
        &self.0.rebuilds
    }

    /// The active rules.
    pub(super) fn rules(&self) -> Arc<Scoring> {
        self.0.engine.rules()
    }

    /// The length of a race under the active rules.
    pub(super) fn race_seconds(&self) -> u16 {
        self.rules().rules().race_seconds
    }

    /// The lag of the engine behind the log.
    pub(super) fn lag(&self) -> Duration {
        (self.0.lag)()
    }

    /// The lag of the results behind the log. It is that of the engine, but without a generation of the cluster, no
    /// engine lags and results still do.
    pub(super) fn results_lag(&self) -> Duration {
        self.cluster().and_then(Status::stale_for).unwrap_or_else(|| self.lag())
    }

    /// 503 `engine_behind` if the engine lags more than the limit.
    pub(super) fn check_lag(&self) -> Result<(), ApiError> {
        if self.lag() <= self.limits().lag_max {
            return Ok(());
        }
        let message = "events arrive faster than they are processed; send again in a second";
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "engine_behind", message);
        Err(error.retry_after(1))
    }
}

impl FromRef<App> for ReadState {
    fn from_ref(app: &App) -> Self {
        app.0.reads.clone()
    }
}

impl FromRef<App> for HistoryObjects {
    fn from_ref(app: &App) -> Self {
        app.0.objects.clone()
    }
}

impl FromRef<App> for Streams {
    fn from_ref(app: &App) -> Self {
        app.0.streams.clone()
    }
}
