//! The media type of server-sent events.

use axum::http::{HeaderMap, header};

/// The content type of all streams.
pub(in crate::serve) const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// Whether the client accepts server-sent events.
pub(in crate::serve) fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|accepted| accepted.to_str().ok());
    accepted.any(|accepted| accepted.to_ascii_lowercase().contains("text/event-stream"))
}
