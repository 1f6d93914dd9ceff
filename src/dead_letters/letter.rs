//! A letter, and its shape.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// What Firehose says of records that a transformation calls `ProcessingFailed`, which events that are
/// not taken are here as well.
const CODE: &str = "Lambda.ProcessingFailedStatus";

/// An event that was not taken.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Where it came from.
    pub source: Source<'a>,
    /// When it came, in ms since the epoch, where that is not now.
    pub arrival_ms: Option<u64>,
    /// Why it was not taken.
    pub reason: &'a str,
    /// It, as it came; of an oversized one its beginning.
    pub data: &'a [u8],
}

/// Where an event came from.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Source<'a> {
    /// A request of `peer`: event `index` (from 0) of its body.
    Request {
        /// The address that sent it.
        peer: SocketAddr,
        /// Which event it is.
        index: usize,
    },
    /// A delivery of Firehose.
    Delivery {
        /// The request's id.
        request_id: &'a str,
        /// Which record held it, from 0.
        record: usize,
    },
    /// A stream of Kinesis.
    Stream {
        /// The shard.
        shard_id: &'a str,
        /// The record's sequence number.
        sequence_number: &'a str,
    },
}

/// A letter as a line of the archive has it: the fields of Firehose's, and where it came from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    raw_data: String,
    error_code: &'static str,
    error_message: &'a str,
    attempts_made: u32,
    arrival_timestamp: u64,
    attempt_ending_timestamp: u64,
    #[serde(rename = "lambdaARN")]
    lambda_arn: &'static str,
    source: Source<'a>,
}

impl Letter<'_> {
    /// Adds the letter of an event that was not taken at `now_ms`, and a newline.
    pub(super) fn write(&self, out: &mut Vec<u8>, now_ms: u64) {
        let line = Line {
            raw_data: BASE64_STANDARD.encode(self.data),
            error_code: CODE,
            error_message: self.reason,
            attempts_made: 1,
            arrival_timestamp: self.arrival_ms.unwrap_or(now_ms),
            attempt_ending_timestamp: now_ms,
            // There is none, but readers may want the field.
            lambda_arn: "",
            source: self.source,
        };
        // Writing to memory what has only text as its keys cannot fail.
        serde_json::to_writer(&mut *out, &line).unwrap_or_default();
        out.push(b'\n');
    }
}
