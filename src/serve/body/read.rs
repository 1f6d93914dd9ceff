//! Reads a body from the connection, within a time limit.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::buffer::BodyBuffer;
use super::error::bad_body;
use crate::serve::error::ApiError;

/// The time for a client to send at least one more byte, so that stalled bodies free their memory.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Reads a body into `buffer`, within `time_limit`. The server discards the rest of a body that is
/// rejected.
///
/// # Errors
/// The errors of [`BodyBuffer::push`], 408 `body_timeout`, and 400 `bad_body` if the connection breaks.
pub(in crate::serve) async fn read(
    mut body: Body,
    mut buffer: BodyBuffer,
    time_limit: Duration,
) -> Result<BodyBuffer, ApiError> {
    let reading = async {
        while let Some(chunk) = next_chunk(&mut body).await? {
            buffer.push(&chunk)?;
        }
        Ok(buffer)
    };
    timeout(time_limit, reading).await.unwrap_or_else(|_| Err(timed_out(time_limit)))
}

/// Sends a body to `chunks` as it arrives, within `time_limit`, until the receiver is dropped.
///
/// # Errors
/// 408 `body_timeout`, and 400 `bad_body` if the connection breaks. Chunks that were sent stay sent.
pub(in crate::serve) async fn send_chunks(
    mut body: Body,
    chunks: mpsc::Sender<Bytes>,
    time_limit: Duration,
) -> Result<(), ApiError> {
    let sending = async {
        while let Some(chunk) = next_chunk(&mut body).await? {
            if chunks.send(chunk).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    timeout(time_limit, sending).await.unwrap_or_else(|_| Err(timed_out(time_limit)))
}

/// The next bytes of a body, or none at its end.
async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = timeout(PAUSE_MAX, body.frame()).await.map_err(|_| timed_out(PAUSE_MAX))?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(incomplete()),
            // Trailers are ignored.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(_) => continue,
            },
        }
    }
}

fn incomplete() -> ApiError {
    bad_body("the connection broke before the end of the body; send it again")
}

fn timed_out(time_limit: Duration) -> ApiError {
    let message =
        format!("no bytes of the body, or not all, arrived within {time_limit:?}; send it again");
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
}
