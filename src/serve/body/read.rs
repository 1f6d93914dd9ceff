//! Reads a body from the connection, within a time limit.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc::{self, error::SendError};
use tokio::time::timeout;

use super::buffer::BodyBuffer;
use super::error::bad_body;
use crate::serve::error::ApiError;

/// The number of bytes of a rejected body that are still read and discarded. A client that is still
/// sending when the connection closes may never see the response.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// Reads a body into `buffer`, within `time_limit`.
///
/// # Errors
/// The errors of [`BodyBuffer::push`], 408 `body_timeout`, and 400 `bad_body` if the connection breaks.
pub(in crate::serve) async fn read(
    mut body: Body,
    mut buffer: BodyBuffer,
    time_limit: Duration,
) -> Result<BodyBuffer, ApiError> {
    let reading = async {
        let (mut rejection, mut discarded) = (None, 0);
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(|_| incomplete())?.into_data() else { continue };
            if rejection.is_none() {
                rejection = buffer.push(&chunk).err();
            }
            if rejection.is_some() {
                discarded += chunk.len();
            }
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
        match rejection {
            Some(error) => Err(error),
            None => Ok(buffer),
        }
    };
    timeout(time_limit, reading).await.unwrap_or_else(|_| Err(timed_out(time_limit)))
}

/// Sends a body to `chunks` as it arrives, within `time_limit`. Once the receiver is dropped, the rest
/// is read and discarded.
///
/// # Errors
/// 408 `body_timeout`, and 400 `bad_body` if the connection breaks. Chunks that were sent stay sent.
pub(in crate::serve) async fn send_chunks(
    mut body: Body,
    chunks: mpsc::Sender<Bytes>,
    time_limit: Duration,
) -> Result<(), ApiError> {
    let sending = async {
        let mut discarded = 0;
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(|_| incomplete())?.into_data() else { continue };
            if let Err(SendError(chunk)) = chunks.send(chunk).await {
                discarded += chunk.len();
            }
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
        Ok(())
    };
    timeout(time_limit, sending).await.unwrap_or_else(|_| Err(timed_out(time_limit)))
}

fn incomplete() -> ApiError {
    bad_body("the connection broke before the end of the body; send it again")
}

fn timed_out(time_limit: Duration) -> ApiError {
    let message = format!("the body did not arrive within {time_limit:?}; send it again");
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
}
