//! A dead letter, and its JSON form.

use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// The error code that Firehose gives records whose transformation returned `ProcessingFailed`. Every
/// rejected event gets it.
const CODE: &str = "Lambda.ProcessingFailedStatus";

/// An event that was rejected.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// Where the event came from.
    pub source: Source<'a>,
    /// The arrival in ms since the epoch; now if it is not given.
    pub arrival_ms: Option<u64>,
    /// Why the event was rejected.
    pub reason: &'a str,
    /// The event as it was received. Oversized events are truncated.
    pub data: &'a [u8],
}

/// Where an event came from.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Source<'a> {
    /// A request to `POST /v1/events`.
    Request {
        /// The address of the client.
        peer: SocketAddr,
        /// The event's position in the body, from 0.
        index: usize,
    },
    /// A delivery of Firehose.
    Delivery {
        /// The request's id.
        request_id: &'a str,
        /// The index of the record with the event, from 0.
        record: usize,
    },
    /// A Kinesis stream.
    Stream {
        /// The shard.
        shard_id: &'a str,
        /// The record's sequence number.
        sequence_number: &'a str,
    },
}

/// A dead letter as a line of the archive: the fields that Firehose writes, and the event's source.
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

impl DeadLetter<'_> {
    /// Appends the JSON line of an event that was rejected at `now_ms`, with a newline.
    pub(super) fn write(&self, out: &mut Vec<u8>, now_ms: u64) {
        let line = Line {
            raw_data: BASE64_STANDARD.encode(self.data),
            error_code: CODE,
            error_message: self.reason,
            attempts_made: 1,
            arrival_timestamp: self.arrival_ms.unwrap_or(now_ms),
            attempt_ending_timestamp: now_ms,
            // No Lambda function is involved, but readers may require the field.
            lambda_arn: "",
            source: self.source,
        };
        // Serialization to memory cannot fail here, because all keys are strings.
        serde_json::to_writer(&mut *out, &line).unwrap_or_default();
        out.push(b'\n');
    }
}
