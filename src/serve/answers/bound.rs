//! The layer that counts the answers of a route, and cuts off clients that read them too slowly.

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::body::AnswerBody;
use super::budget::Counted;
use crate::serve::error::ApiError;
use crate::serve::state::App;

/// Answers up to this size are not counted: the buffers of their connection are larger. So errors can be
/// sent when the budget is in use.
const UNCOUNTED_BYTES_MAX: u64 = 4 << 10;

/// Counts the body of an answer until its client has read it, and closes the connection of a client that
/// has not read it in time. A stream has no length and is not counted: it has one chunk in memory.
///
/// # Errors
/// 503 `answers_full` if the answers of all clients are over the budget.
pub(in crate::serve) async fn bound_answer(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let mut response = next.run(request).await;
    let bytes = response.body().size_hint().exact();
    let Some(bytes) = bytes.filter(|bytes| *bytes > UNCOUNTED_BYTES_MAX) else {
        return Ok(response);
    };
    let permit = match response.extensions_mut().remove::<Counted>() {
        Some(Counted) => None,
        None => Some(app.answers().acquire(usize::try_from(bytes).unwrap_or(usize::MAX))?),
    };
    let read_by = Some(Instant::now() + app.limits().answer_timeout);
    Ok(response.map(|body| AnswerBody::with_deadline(body, read_by, permit)))
}
