//! The service's HTTP interface: JSON in, JSON out; it knows the engine's handle and no dataflow.
//!
//! A request passes the server's bounds on connections and times, the frame that logs and counts it,
//! its client's rate, its token's check, and the check that the service has started; then its route,
//! which asks the token's grant for each object that it names. No route answers but through `ApiError`
//! where it fails, and none of its bounds can be passed by what a client sends.

mod acks;
mod admission;
mod alleycat;
pub mod auth;
mod bans;
mod batch;
mod body;
pub mod error;
mod etag;
mod firebase;
mod firehose;
mod frame;
pub mod grant;
mod ingest;
pub mod limits;
mod openapi;
pub mod ops;
pub mod origin;
pub mod query;
pub mod reads;
mod reply;
mod rules;
pub mod server;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod token;
mod ui;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use velodrome_dataflows::Scoring;

use self::acks::Acks;
use self::admission::Admission;
use self::auth::Auth;
use self::error::ApiError;
use self::firehose::Repeats;
use self::limits::Limits;
use self::ops::Description;
use self::origin::Origin;
use self::reads::Reads;
use self::stream::{Channels, Streams};
use crate::bans::Bans;
use crate::dead_letters::DeadLetters;
use crate::engine::{Engine, Events};
use crate::health::Health;
use crate::log::Log;
use crate::publish::Objects;
use crate::rebuild::Rebuilds;

/// How a service is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may call it.
    pub auth: Auth,
    /// Whose web pages may call it as well.
    pub origins: Vec<Origin>,
    /// What it takes on.
    pub limits: Limits,
}

/// A service; clones are handles of the same one.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    engine: Engine,
    reads: Reads,
    /// Once what it held is recovered.
    log: OnceLock<Log<Events>>,
    /// For how long the engine is behind.
    lag: Box<dyn Fn() -> Duration + Send + Sync>,
    dead_letters: DeadLetters,
    repeats: Repeats,
    acks: Arc<Acks>,
    health: Health,
    objects: Objects,
    bans: Bans,
    rebuilds: Rebuilds,
    streams: Streams,
    config: Config,
}

/// What a service is made of.
pub struct Parts {
    /// What answers.
    pub engine: Engine,
    /// For how long it is behind.
    pub lag: Box<dyn Fn() -> Duration + Send + Sync>,
    /// For events that are rejected.
    pub dead_letters: DeadLetters,
    /// Where a part of it fails, the service is not ready.
    pub health: Health,
    /// The history.
    pub objects: Objects,
    /// Who is banned.
    pub bans: Bans,
    /// Which rules are asked for.
    pub rebuilds: Rebuilds,
}

impl App {
    /// A service that is made of `parts`. It answers that it is starting until [`App::start`].
    pub fn new(parts: Parts, config: Config) -> Self {
        let Parts { engine, lag, dead_letters, health, objects, bans, rebuilds } = parts;
        Self(Arc::new(Shared {
            reads: Reads::new(engine.clone()),
            engine,
            log: OnceLock::new(),
            lag,
            dead_letters,
            repeats: Repeats::new(),
            acks: Arc::new(Acks::new()),
            health,
            objects,
            bans,
            rebuilds,
            streams: Streams {
                channels: Arc::new(Channels::new(stream::epoch())),
                admission: Arc::new(Admission::new(config.limits)),
            },
            config,
        }))
    }

    /// From now on events are taken into `log` and reads are answered: what it held is recovered.
    pub fn start(&self, log: Log<Events>) {
        // A service is started once; a second log would not be the one that the engine hears of.
        _ = self.0.log.set(log);
    }

    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    fn health(&self) -> &Health {
        &self.0.health
    }

    /// The log, or 503 `starting`.
    fn log(&self) -> Result<&Log<Events>, ApiError> {
        self.0.log.get().ok_or_else(frame::starting)
    }

    fn dead_letters(&self) -> &DeadLetters {
        &self.0.dead_letters
    }

    /// The deliveries of Firehose that were taken.
    fn repeats(&self) -> &Repeats {
        &self.0.repeats
    }

    /// How long requests with events waited.
    fn acks(&self) -> &Arc<Acks> {
        &self.0.acks
    }

    fn bans(&self) -> &Bans {
        &self.0.bans
    }

    fn admission(&self) -> &Admission {
        &self.0.streams.admission
    }

    fn auth(&self) -> &Auth {
        &self.0.config.auth
    }

    fn origins(&self) -> &[Origin] {
        &self.0.config.origins
    }

    fn limits(&self) -> &Limits {
        &self.0.config.limits
    }

    fn rebuilds(&self) -> &Rebuilds {
        &self.0.rebuilds
    }

    /// The rules that hold.
    fn rules(&self) -> Arc<Scoring> {
        self.0.engine.rules()
    }

    /// How long races are.
    fn race_seconds(&self) -> u16 {
        self.rules().rules().race_seconds
    }

    fn lag(&self) -> Duration {
        (self.0.lag)()
    }

    /// 503 `engine_behind` where the engine lags further than it may.
    fn check_lag(&self) -> Result<(), ApiError> {
        if self.lag() <= self.limits().lag {
            return Ok(());
        }
        let message = "more events come than are worked off; send again later";
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "engine_behind", message);
        Err(error.retry_after(1))
    }
}

impl FromRef<App> for Reads {
    fn from_ref(app: &App) -> Self {
        app.0.reads.clone()
    }
}

impl FromRef<App> for Objects {
    fn from_ref(app: &App) -> Self {
        app.0.objects.clone()
    }
}

impl FromRef<App> for Streams {
    fn from_ref(app: &App) -> Self {
        app.0.streams.clone()
    }
}

/// All routes of `app`, which are to be served by [`server::serve`]; `metrics` is what
/// [`ops::metrics`] gives.
pub fn router(app: App, metrics: PrometheusHandle) -> Router {
    let start = || from_fn_with_state(app.clone(), frame::started);
    let ingest = OpenApiRouter::new().routes(routes!(ingest::post)).layer(start());
    let ingest = ingest.merge(firehose::transformation());
    let delivery = auth::ingest_by_key(&app, firehose::delivery().layer(start()));
    let reads = reads::routes()
        .merge(alleycat::routes())
        .layer(start())
        .routes(routes!(ops::render))
        .routes(routes!(ops::openapi));
    let streams = OpenApiRouter::new().routes(routes!(stream::stream)).layer(start());
    let tree = auth::read_by_query(&app, firebase::routes().layer(start()));
    let admin = OpenApiRouter::new()
        .routes(routes!(bans::bans))
        .routes(routes!(bans::ban, bans::lift))
        .routes(routes!(rules::rules, rules::want))
        .layer(start());
    let (router, mut description) = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .merge(auth::ingest(&app, ingest))
        .merge(delivery)
        .merge(auth::read(&app, reads))
        .merge(auth::read_by_query(&app, streams))
        .merge(auth::admin(&app, admin))
        .merge(tree.layer(map_response(firebase::shaped)))
        .split_for_parts();
    openapi::complete(&mut description);
    let json = serde_json::to_vec(&description).unwrap_or_default();

    let router = router
        .merge(ui::routes())
        .fallback(frame::unknown_path)
        .method_not_allowed_fallback(frame::unknown_method)
        .layer(Extension(Description(json.into())))
        .layer(Extension(metrics))
        .layer(from_fn_with_state(app.clone(), frame::admit));
    let router = match app.origins() {
        [] => router,
        origins => router.layer(origin::cors(origins)),
    };
    router
        .layer(CatchPanicLayer::custom(frame::caught))
        .layer(from_fn(firehose::shaped))
        .layer(from_fn(frame::observe))
        .with_state(app)
}
