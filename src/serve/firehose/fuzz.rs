//! Part of the fuzz target of headers: those of deliveries.

#![allow(clippy::panic, reason = "a target panics if its decoder is wrong")]

use axum::http::HeaderMap;

use super::deliver::DeliveryHeaders;
use super::reply::request_id;

/// Accepted headers have the id that the reply to an error has too.
pub(in crate::serve) fn delivery_headers(headers: &HeaderMap) {
    if let Ok(delivery) = DeliveryHeaders::parse(headers) {
        assert_eq!(request_id(headers), Some(&*delivery.request_id));
    }
}
