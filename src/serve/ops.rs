//! Operations: whether the service lives, whether it takes events, its metrics, its description.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use bytes::Bytes;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use super::App;
use super::error::ApiError;
use super::grant::Grant;
use super::query::{NoParams, Params};
use crate::health;
use crate::log::{Health, Log};
use crate::memory::resident_bytes;

/// Bounds of all histograms, which are of seconds: from a read that is cached to a wait that ends
/// in a timeout.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How often histograms take in what was recorded, which waits in memory until then; the exporter's
/// own default.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where a process's metrics are recorded.
static METRICS: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();

/// Metrics that cannot be recorded.
#[derive(Clone, Debug, Error)]
#[error("cannot record metrics: {0}")]
pub struct MetricsError(String);

/// The process's metrics; the first call begins to record them.
///
/// # Errors
/// Another recorder in this process, a thread that cannot be had.
pub fn metrics() -> Result<PrometheusHandle, MetricsError> {
    let install = || {
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder);
        let handle = handle.map_err(|e| e.to_string())?;
        let upkept = handle.clone();
        let upkeep = move || {
            loop {
                thread::sleep(UPKEEP);
                upkept.run_upkeep();
            }
        };
        let thread = thread::Builder::new().name("velodrome-metrics".to_owned()).spawn(upkeep);
        thread.map(|_| handle).map_err(|e| e.to_string())
    };
    METRICS.get_or_init(install).clone().map_err(MetricsError)
}

/// The service's description, as it is served.
#[derive(Clone)]
pub(super) struct Description(pub(super) Bytes);

/// Whether the service lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Healthy {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the service takes events and answers reads.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Ready {
    /// Whether it does.
    ready: bool,
    /// Why it does not.
    reasons: Vec<String>,
    /// What an operator must hear of all the same, such as events that were lost before they came here.
    notes: Vec<String>,
}

/// Tell that the process lives
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    responses((status = 200, description = "It does", body = Healthy))
)]
pub(super) async fn healthz(Params(NoParams {}): Params<NoParams>) -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// Tell whether events are taken and reads are answered
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, description = "They are", body = Ready),
        (status = 503, description = "They are not", body = Ready),
    )
)]
pub(super) async fn readyz(
    State(app): State<App>,
    Params(NoParams {}): Params<NoParams>,
) -> (StatusCode, Json<Ready>) {
    let behind = app.check_lag().is_err().then(|| app.lag());
    let health = app.log().ok().map(Log::health);
    let mut ready = Ready::of(health.is_some(), health.unwrap_or(Health::Healthy), behind);
    ready.add(app.health());
    let status = match ready.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(ready))
}

impl Ready {
    /// `behind` is how far the engine lags, where that is too far.
    fn of(is_started: bool, health: Health, behind: Option<Duration>) -> Self {
        let starting = (!is_started).then(|| "starting: the log is being replayed".to_owned());
        let log = match health {
            Health::Healthy => None,
            Health::DiskFull => Some("disk_full: the log's disk is full".to_owned()),
            Health::Poisoned(reason) => Some(format!("log_failed: {reason}")),
        };
        let lag = behind.map(|lag| format!("engine_behind: by {:.1} s", lag.as_secs_f64()));
        // An engine that starts is behind as a matter of course.
        let lag = lag.filter(|_| is_started);
        let reasons: Vec<_> = [starting, log, lag].into_iter().flatten().collect();
        Self { ready: reasons.is_empty(), reasons, notes: Vec::new() }
    }

    /// Adds what the service's parts say.
    fn add(&mut self, parts: &health::Health) {
        self.reasons.extend(parts.faults());
        self.notes = parts.notes();
        self.ready = self.reasons.is_empty();
    }
}

/// Tell the metrics in Prometheus' text format
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses((status = 200, description = "All metrics", body = String, content_type = "text/plain"))
)]
pub(super) async fn render(
    State(app): State<App>,
    grant: Grant,
    Extension(metrics): Extension<PrometheusHandle>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<impl IntoResponse, ApiError> {
    grant.whole()?;
    gauge!("velodrome_frontier_lag_seconds").set(app.lag().as_secs_f64());
    gauge!("velodrome_engine_queue_commands").set(app.engine().waiting() as f64);
    gauge!("velodrome_resident_bytes").set(resident_bytes() as f64);
    // The version of the format (Prometheus, "Exposition formats").
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()))
}

/// Describe this interface
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "operations",
    responses((status = 200, description = "This description", body = serde_json::Value))
)]
pub(super) async fn openapi(
    // It tells of no object, so that every token with the scope is for it.
    _: Grant,
    Extension(Description(json)): Extension<Description>,
    Params(NoParams {}): Params<NoParams>,
) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(is_started: bool, health: Health, behind: Option<Duration>) -> Vec<String> {
        let Ready { ready, reasons, .. } = Ready::of(is_started, health, behind);
        assert_eq!(ready, reasons.is_empty());
        reasons
    }

    #[test]
    fn what_keeps_the_service_from_being_ready_is_told() {
        let lag = Some(Duration::from_millis(2_140));
        let none: [&str; 0] = [];
        assert_eq!(reasons(true, Health::Healthy, None), none);
        let starting = reasons(false, Health::Healthy, lag);
        assert_eq!(starting, ["starting: the log is being replayed"]);
        let poisoned = reasons(true, Health::Poisoned("fsync: EIO".to_owned()), lag);
        assert_eq!(poisoned, ["log_failed: fsync: EIO", "engine_behind: by 2.1 s"]);
        let full = reasons(true, Health::DiskFull, None);
        assert_eq!(full, ["disk_full: the log's disk is full"]);
    }

    #[test]
    fn a_part_that_fails_keeps_the_service_from_being_ready_and_a_note_does_not() {
        let parts = health::Health::default();
        let ready = || {
            let mut ready = Ready::of(true, Health::Healthy, None);
            ready.add(&parts);
            (ready.ready, ready.reasons, ready.notes)
        };
        parts.part("source").note("a gap");
        assert_eq!(ready(), (true, vec![], vec!["source: a gap".to_owned()]));
        parts.part("source").fail("no such stream");
        let (is_ready, reasons, _) = ready();
        assert!(!is_ready);
        assert_eq!(reasons, ["source: no such stream"]);
    }
}
