//! The recorder of metrics, and `GET /metrics`.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use metrics::{counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use thiserror::Error;

use super::error::ApiError;
use super::params::{NoParams, QueryParams};
use super::permissions::Permissions;
use super::state::App;
use crate::memory::resident_bytes;
use crate::open_files;

/// Bucket bounds of all histograms, in seconds: from a cached read to a wait that times out.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How often recorded values move from a buffer into the histograms; the default of the exporter.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of this process.
static RECORDER: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();

/// Metrics cannot be recorded.
#[derive(Clone, Debug, Error)]
#[error("cannot record metrics: {0}")]
pub struct MetricsError(String);

/// The recorder of this process. The first call installs it, and starts its upkeep thread.
///
/// # Errors
/// The process has another recorder, or the thread cannot be started.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    let install = || {
        let builder = PrometheusBuilder::new().set_buckets(&SECONDS);
        let handle = builder.and_then(PrometheusBuilder::install_recorder);
        let handle = handle.map_err(|e| e.to_string())?;
        let recorder = handle.clone();
        let upkeep = move || {
            loop {
                thread::sleep(UPKEEP);
                recorder.run_upkeep();
            }
        };
        let thread = thread::Builder::new().name("velodrome-metrics".to_owned()).spawn(upkeep);
        thread.map(|_| handle).map_err(|e| e.to_string())
    };
    RECORDER.get_or_init(install).clone().map_err(MetricsError)
}

/// Get all metrics in the text format of Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "All metrics.", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(
    State(app): State<App>,
    permissions: Permissions,
    Extension(recorder): Extension<PrometheusHandle>,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> Result<impl IntoResponse, ApiError> {
    permissions.require_all()?;
    gauge!("velodrome_frontier_lag_seconds").set(app.results_lag().as_secs_f64());
    gauge!("velodrome_engine_queue_commands").set(app.engine().queued_commands() as f64);
    counter!("velodrome_live_rows_read_total").absolute(app.engine().live_state().1.rows_read());
    gauge!("velodrome_resident_bytes").set(resident_bytes() as f64);
    gauge!("velodrome_open_files").set(open_files::count() as f64);
    gauge!("velodrome_open_files_max").set(open_files::limit() as f64);
    gauge!("velodrome_answer_bytes").set(app.answers().used() as f64);
    gauge!("velodrome_board_cache_bytes").set(app.reads().cache.bytes() as f64);
    gauge!("velodrome_stream_topics").set(app.broker().topics() as f64);
    app.limiter().record();
    // The version of the format (Prometheus, "Exposition formats").
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()))
}
