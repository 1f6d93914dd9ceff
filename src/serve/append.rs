//! Appends events to the log, and turns its errors into responses.

use axum::http::StatusCode;
use metrics::counter;
use tokio::time::timeout;
use tracing::error;

use super::error::ApiError;
use super::state::App;
use crate::engine::Events;
use crate::log::{AppendError, LogLines};

/// Appends events to the log. Returns their arrival, in ms since the epoch, once they are durable.
///
/// # Errors
/// The errors of the log, and 503 `busy` if it does not answer in time.
pub(super) async fn append(app: &App, lines: LogLines, events: Events) -> Result<u64, ApiError> {
    let accepted = lines.len() as u64;
    let receiver = app.log()?.append(lines, events)?;
    let received = timeout(app.limits().append_timeout, receiver).await.map_err(|_| {
        error!("the log did not answer in time");
        let message = "the log did not answer in time; send again in a second";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
    })?;
    let lost = |_| AppendError::Poisoned("its writer ended".to_owned());
    let arrival_ms = received.map_err(lost)??;
    counter!("velodrome_events_total", "verdict" => "accepted").increment(accepted);
    Ok(arrival_ms)
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, code, message, seconds) = match error {
            AppendError::QueueFull => {
                (unavailable, "busy", "the log is busy; send again in a second", 1)
            }
            AppendError::DiskFull => (
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "the log's disk is full; send again later",
                30,
            ),
            AppendError::Poisoned(_) => (
                unavailable,
                "log_failed",
                "the log failed and accepts nothing until the service restarts; send again later",
                60,
            ),
            AppendError::Closed => {
                (unavailable, "stopping", "the service is stopping; send again in a second", 1)
            }
        };
        Self::new(status, code, message).retry_after(seconds)
    }
}
