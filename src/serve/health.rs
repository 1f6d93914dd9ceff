//! `GET /healthz` and `GET /readyz`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::params::{NoParams, QueryParams};
use super::state::App;
use crate::health::Health;
use crate::log::{Log, LogHealth, Obstacle};

/// The path that says whether the process runs.
pub(super) const HEALTH_PATH: &str = "/healthz";

/// The process is running.
#[derive(Serialize, ToSchema)]
pub(super) struct Healthy {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the service accepts events and answers reads.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Ready {
    /// Whether the service accepts events and answers reads.
    ready: bool,
    /// Why the service is not ready; empty if it is.
    reasons: Vec<String>,
    /// Problems that an operator should know about although the service is ready, such as events that
    /// the source lost.
    notes: Vec<String>,
}

/// Check that the process is running
#[utoipa::path(
    get,
    path = "/healthz",
    security(()),
    responses((status = 200, description = "The process is running.", body = Healthy))
)]
pub(super) async fn healthz(QueryParams(NoParams {}): QueryParams<NoParams>) -> Json<Healthy> {
    Json(Healthy { status: "ok" })
}

/// Check that the service accepts events and answers reads
#[utoipa::path(
    get,
    path = "/readyz",
    security(()),
    responses(
        (status = 200, description = "The service is ready.", body = Ready),
        (status = 503, description = "The service is not ready.", body = Ready),
    )
)]
pub(super) async fn readyz(
    State(app): State<App>,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> (StatusCode, Json<Ready>) {
    let excessive_lag = app.check_lag().is_err().then(|| app.lag());
    let log = app.log().ok().map(Log::health);
    let outside = app.outside();
    let ready = Ready::new(log, excessive_lag, outside, app.health());
    let status = match ready.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(ready))
}

impl Ready {
    /// `log` is `None` until it is recovered; `excessive_lag` is the engine's lag if it is over the limit; `outside` is
    /// why a node may not accept events yet.
    fn new(
        log: Option<LogHealth>,
        excessive_lag: Option<Duration>,
        outside: Option<String>,
        components: &Health,
    ) -> Self {
        let mut reasons = Vec::new();
        match log {
            // During startup the engine always lags, so the lag is not reported as a second reason.
            None => reasons.push("starting: the log is being replayed".to_owned()),
            Some(log) => {
                match log {
                    LogHealth::Healthy => {}
                    LogHealth::Unavailable(obstacle) => {
                        let code = match obstacle {
                            Obstacle::DiskFull => "disk_full",
                            Obstacle::NoFile(_) => "log_unavailable",
                        };
                        reasons.push(format!("{code}: {obstacle}"));
                    }
                    LogHealth::Poisoned(reason) => reasons.push(format!("log_failed: {reason}")),
                }
                let lag = excessive_lag.map(|lag| lag.as_secs_f64());
                reasons.extend(lag.map(|seconds| format!("engine_behind: by {seconds:.1} s")));
            }
        }
        reasons.extend(outside.map(|reason| format!("cluster_incomplete: {reason}")));
        reasons.extend(components.faults());
        Self { ready: reasons.is_empty(), reasons, notes: components.notes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(log: Option<LogHealth>, excessive_lag: Option<Duration>) -> Vec<String> {
        let Ready { ready, reasons, .. } = Ready::new(log, excessive_lag, None, &Health::default());
        assert_eq!(ready, reasons.is_empty());
        reasons
    }

    #[test]
    fn names_each_reason_for_not_being_ready() {
        let lag = Some(Duration::from_millis(2_140));
        assert_eq!(reasons(Some(LogHealth::Healthy), None), [""; 0]);
        assert_eq!(reasons(None, lag), ["starting: the log is being replayed"]);
        let poisoned = reasons(Some(LogHealth::Poisoned("fsync: EIO".to_owned())), lag);
        assert_eq!(poisoned, ["log_failed: fsync: EIO", "engine_behind: by 2.1 s"]);
        let unavailable = |obstacle| reasons(Some(LogHealth::Unavailable(obstacle)), None);
        assert_eq!(unavailable(Obstacle::DiskFull), ["disk_full: the log's disk is full"]);
        let no_file = unavailable(Obstacle::NoFile("too many open files".to_owned()));
        assert_eq!(no_file, ["log_unavailable: the log cannot create a file: too many open files"]);
    }

    #[test]
    fn a_fault_of_a_component_is_a_reason_and_a_note_is_not() {
        let components = Health::default();
        let ready = || {
            let ready = Ready::new(Some(LogHealth::Healthy), None, None, &components);
            (ready.ready, ready.reasons, ready.notes)
        };
        components.component("source").note("a gap");
        assert_eq!(ready(), (true, vec![], vec!["source: a gap".to_owned()]));
        components.component("source").fail("no such stream");
        let (is_ready, reasons, _) = ready();
        assert!(!is_ready);
        assert_eq!(reasons, ["source: no such stream"]);
    }
}
