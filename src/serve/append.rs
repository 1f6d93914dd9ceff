//! Appends events to the log, and turns its errors into responses.

use axum::http::StatusCode;
use metrics::counter;
use tokio::time::timeout;
use tracing::error;

use super::batch::{Batch, Rejected};
use super::error::ApiError;
use super::state::App;
use crate::log::{AppendError, Obstacle, RejectedLine};

/// A batch whose accepted events are durable.
pub(super) struct AppendedBatch {
    /// The arrival of its accepted events, in ms since the epoch; `None` if there are none.
    pub(super) arrival_ms: Option<u64>,
    /// The number of accepted events.
    pub(super) accepted: usize,
    /// The rejected events, in the order of the batch.
    pub(super) rejected: Vec<Rejected>,
}

/// Appends the accepted events of a batch to the log, which may reject further ones.
///
/// # Errors
/// The errors of the log, 503 `busy` if it does not answer in time, and 503 `cluster_incomplete` at a node that was part of
/// no generation yet.
pub(super) async fn append(app: &App, batch: Batch) -> Result<AppendedBatch, ApiError> {
    let Batch { lines, indices, events, mut rejected, .. } = batch;
    let mut accepted = lines.len();
    if accepted == 0 {
        return Ok(AppendedBatch { arrival_ms: None, accepted, rejected });
    }
    app.check_member()?;
    let receiver = app.log()?.append(lines, events)?;
    let received = timeout(app.limits().append_timeout, receiver).await.map_err(|_| {
        error!("the log did not answer in time");
        let message = "the log did not answer in time; send again in a second";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
    })?;
    let lost = |_| AppendError::Poisoned("its writer ended".to_owned());
    let appended = received.map_err(lost)??;
    if !appended.rejected.is_empty() {
        accepted -= appended.rejected.len();
        rejected.extend(appended.rejected.into_iter().map(
            |RejectedLine { index, text, reason }| {
                let index = indices.get(index).copied().unwrap_or_default();
                Rejected { index, reason: reason.to_string(), text }
            },
        ));
        rejected.sort_by_key(|rejected| rejected.index);
    }
    counter!("velodrome_events_total", "verdict" => "accepted").increment(accepted as u64);
    Ok(AppendedBatch { arrival_ms: Some(appended.arrival_ms), accepted, rejected })
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, code, message, seconds) = match error {
            AppendError::QueueFull => {
                (unavailable, "busy", "the log is busy; send again in a second", 1)
            }
            AppendError::MemoryFull => {
                let message = "the service has as much memory as it may; send again later";
                (unavailable, "memory_full", message, 10)
            }
            AppendError::Unavailable(obstacle) => {
                let (status, code) = match obstacle {
                    Obstacle::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
                    Obstacle::NoFile(_) => (unavailable, "log_unavailable"),
                };
                let message = format!("{obstacle}; send again later");
                return Self::new(status, code, message).retry_after(30);
            }
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
