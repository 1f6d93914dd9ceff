//! Processes large and compressed bodies on threads for blocking work, because decoding them would block
//! the runtime.

use tokio::task::{JoinError, spawn_blocking};
use tracing::error;

use super::body::{BodyBuffer, BodyFormat};
use super::error::ApiError;

/// Bodies up to this size are decoded on the thread that received them. 32 KiB are about 170 events.
/// Decoding them takes 27 us in the usual form (157 ns per event), and 65 us in any other form (379 ns
/// per event; `cargo bench --bench decode`). That is about the time to wake a thread, and much less than
/// an fsync.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// Calls `work` with the body, decompressed. A body that is large or compressed is processed on a thread
/// for blocking work.
pub(super) async fn process_body<T: Send + 'static>(
    format: BodyFormat,
    body: BodyBuffer,
    work: impl FnOnce(BodyBuffer) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let is_short = !format.is_gzip && body.bytes().len() <= INLINE_BYTES_MAX;
    let work = move || work(if format.is_gzip { body.decompressed()? } else { body });
    match is_short {
        true => work(),
        false => spawn_blocking(work).await.map_err(task_failed)?,
    }
}

/// 500 for a task that panicked or was cancelled; the log has the reason.
pub(super) fn task_failed(error: JoinError) -> ApiError {
    error!(%error, "a task of a request failed");
    ApiError::internal()
}
