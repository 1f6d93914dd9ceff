//! Why a load test fails.

use thiserror::Error;

use super::super::recorded::RecordedError;
use super::config::CONNECTIONS_MAX;
#[cfg(feature = "aws")]
use crate::kinesis::stream_error::StreamError;

/// A load test that fails.
#[derive(Debug, Error)]
pub enum LoadTestError {
    /// The address is not that of a service.
    #[error("'{0}' is not the address of a service; give one like http://127.0.0.1:7070")]
    Address(String),
    /// The token cannot be in an HTTP header.
    #[error(
        "the token has characters that are invalid in an HTTP header; pass it exactly as it was issued"
    )]
    Token,
    /// The number of connections is out of range.
    #[error("connections must be 1 to {CONNECTIONS_MAX}, not '{0}'")]
    Connections(usize),
    /// The service rejected a request, and would reject it again.
    #[error("'{url}' answered {status}: {message}")]
    Refused {
        /// The URL of the request.
        url: String,
        /// The status of the response.
        status: u16,
        /// The service's reason.
        message: String,
    },
    /// The response is not that of a service.
    #[error("'{url}' sent a response that cannot be read: {reason}; is it a velodrome service?")]
    Unreadable {
        /// The URL of the request.
        url: String,
        /// Why the response cannot be read.
        reason: serde_json::Error,
    },
    /// Nothing was acknowledged within the timeout.
    #[error("'{to}' acknowledged nothing for {seconds} s: {reason}")]
    Silent {
        /// The service or stream.
        to: String,
        /// The time without an acknowledgement.
        seconds: u64,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The stream cannot be used.
    #[cfg(feature = "aws")]
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The events cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// A histogram of latencies cannot be created.
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
}
