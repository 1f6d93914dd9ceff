//! The body of a delivery, and why one is rejected.

use std::borrow::Cow;

use serde::Deserialize;
use thiserror::Error;
use utoipa::ToSchema;

/// The maximum size of a body, decompressed: Firehose's largest buffer (its "HTTP endpoint delivery
/// request and response specifications").
pub const BYTES_MAX: usize = 64 << 20;

/// The maximum number of records in a body (the same page).
pub(super) const RECORDS_MAX: usize = 10_000;

/// The maximum size of a record in a body. Firehose accepts records of up to 1,000 KiB (its quotas), and
/// base64 makes them a third larger.
pub(super) const RECORD_BYTES_MAX: usize = 2 << 20;

/// The maximum size of a body without its records: some 100 bytes per record.
pub(super) const REST_BYTES_MAX: usize = 1 << 20;

/// The body of a delivery.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRequest {
    /// The same id as in the header.
    pub request_id: String,
    /// When the request was created, in ms since the epoch.
    #[allow(dead_code, reason = "required in the body, but not used")]
    timestamp: u64,
    /// The delivered records.
    #[schema(value_type = Vec<DeliveryRecord<'_>>, max_items = 10_000)]
    pub(super) records: Vec<usize>,
}

/// A record of a body.
#[derive(Deserialize, ToSchema)]
pub struct DeliveryRecord<'a> {
    /// One event, or several with one per line, in base64.
    #[serde(borrow)]
    pub data: Cow<'a, str>,
}

/// Why a body is rejected.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// It is not JSON, or lacks fields.
    #[error("the body is not a JSON object with requestId, timestamp and records: {0}")]
    Body(serde_json::Error),
    /// A record lacks fields.
    #[error("record {0} of the body is not a JSON object with data: {1}")]
    Record(usize, serde_json::Error),
    /// A record is not an object, or there are objects outside of the array of records.
    #[error("the records of the body must be objects in one array")]
    Misplaced,
    /// Too many records.
    #[error("the body has more than {RECORDS_MAX} records; send fewer at once")]
    TooManyRecords,
    /// A record, or the rest of the body, is too large.
    #[error(
        "the body has a record of more than {RECORD_BYTES_MAX} bytes, or more than {REST_BYTES_MAX} \
         bytes outside of its records"
    )]
    TooLarge,
}
