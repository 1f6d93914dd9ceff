//! The data transformation: what a Lambda function does between a stream and its delivery.
//!
//! A race event gets its computed output as the last field, which replaces an existing output. Otherwise
//! the text of an event is preserved.
//!
//! A record has one event, or several one after another, as in a delivery. Each becomes one line, so that
//! consumers can read the delivery line by line. Blanks around an event are removed, and a newline is
//! appended. Line breaks within an event become spaces, which is safe because in valid JSON they are only
//! white space.
//!
//! A blank record is dropped. A record of which any part is not an event is marked as failed, and its data
//! is unchanged: Firehose stores it with the failed records, where none of its events is lost.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use metrics::counter;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use utoipa::ToSchema;
use velodrome_dataflows::Scoring;

use super::json::from_object;
use crate::ingest::decode::decode;
use crate::ingest::event::Event;
use crate::ingest::record::split_events;
use crate::ingest::without_field::without_field;

/// The maximum size of a request and of a reply: the limit for an invocation of a Lambda function
/// (Lambda's quotas, "invocation payload").
pub const BYTES_MAX: usize = 6 << 20;

/// The field that is added to race events.
const OUTPUT: &str = "output";

/// The records to transform.
#[derive(Deserialize, ToSchema)]
pub struct TransformRequest<'a> {
    /// The records, in the order of the stream.
    #[serde(borrow)]
    #[schema(value_type = Vec<TransformRecord<'_>>)]
    records: Vec<&'a RawValue>,
}

/// A record to transform.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransformRecord<'a> {
    /// The record's id, repeated in the reply.
    #[serde(borrow)]
    record_id: Cow<'a, str>,
    /// The events, in base64.
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// The reply: one result per record of the request, in the same order.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "the OpenAPI schema of what `transform` writes record by record")]
pub struct TransformReply<'a> {
    records: Vec<Transformed<'a>>,
}

/// The result for a record.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transformed<'a> {
    /// The record's id from the request.
    record_id: Cow<'a, str>,
    /// The outcome.
    result: Outcome,
    /// The transformed events in base64; the data from the request unless the outcome is `Ok`.
    data: Cow<'a, str>,
}

/// The outcome for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
enum Outcome {
    /// The record has only events, and they were transformed.
    Ok,
    /// The record is blank.
    Dropped,
    /// A part of the record is not a valid event.
    ProcessingFailed,
}

/// Why a request is rejected.
#[derive(Debug, Error)]
pub enum TransformError {
    /// It is not JSON, or lacks fields.
    #[error("the request is not a JSON object with records: {0}")]
    Request(serde_json::Error),
    /// A record lacks fields.
    #[error("record {0} of the request is not a JSON object with recordId and data: {1}")]
    Record(usize, serde_json::Error),
    /// It is too large.
    #[error("the request has more than {BYTES_MAX} bytes; send fewer records at once")]
    RequestTooLarge,
    /// The reply would be too large for Firehose.
    #[error(
        "the reply would have more than {BYTES_MAX} bytes; send fewer records at once (Firehose's \
         BufferSizeInMBs of the transformation)"
    )]
    ReplyTooLarge,
}

/// Transforms the records of `request`, a JSON text. Returns the reply as JSON.
///
/// # Errors
/// The request is invalid, or request or reply are too large.
pub fn transform(request: &[u8], scoring: &Scoring) -> Result<Vec<u8>, TransformError> {
    if request.len() > BYTES_MAX {
        return Err(TransformError::RequestTooLarge);
    }
    let TransformRequest { records } = from_object(request).map_err(TransformError::Request)?;
    let mut reply = br#"{"records":["#.to_vec();
    for (index, record) in records.into_iter().enumerate() {
        let invalid = |error| TransformError::Record(index, error);
        let record = from_object(record.get().as_bytes()).map_err(invalid)?;
        if index > 0 {
            reply.push(b',');
        }
        serde_json::to_writer(&mut reply, &transformed(record, scoring)).map_err(invalid)?;
        if reply.len() + "]}".len() > BYTES_MAX {
            return Err(TransformError::ReplyTooLarge);
        }
    }
    reply.extend_from_slice(b"]}");
    Ok(reply)
}

fn transformed<'a>(record: TransformRecord<'a>, scoring: &Scoring) -> Transformed<'a> {
    let TransformRecord { record_id, data } = record;
    let text = BASE64_STANDARD.decode(&*data).ok();
    let (result, data) = match text.and_then(|text| lines(&text, scoring)) {
        Some(lines) if lines.is_empty() => (Outcome::Dropped, data),
        Some(lines) => (Outcome::Ok, BASE64_STANDARD.encode(lines).into()),
        None => (Outcome::ProcessingFailed, data),
    };
    counter!("velodrome_firehose_records_total", "result" => result.name()).increment(1);
    Transformed { record_id, result, data }
}

/// The lines that the events of a record become. None if a part of it is not a valid event.
fn lines(record: &[u8], scoring: &Scoring) -> Option<Vec<u8>> {
    let mut lines = Vec::with_capacity(record.len());
    for text in split_events(record, scoring.rules().race_seconds) {
        push_line(&mut lines, text, scoring)?;
    }
    Some(lines)
}

/// Appends the line that an event becomes.
fn push_line(lines: &mut Vec<u8>, text: &[u8], scoring: &Scoring) -> Option<()> {
    let start = lines.len();
    match decode(text, scoring.rules().race_seconds).ok()? {
        Event::Tracking(_) => lines.extend_from_slice(text),
        Event::Race(race) => {
            let text = without_field(text, OUTPUT).ok()?;
            lines.extend_from_slice(text.strip_suffix(b"}")?.trim_ascii_end());
            let output = scoring.output(&race.event);
            // Rust writes numbers from 1e-6 to 1e21 as JavaScript does, integers without a point.
            // Realistic rules give no outputs outside of that range.
            write!(lines, r#","{OUTPUT}":{output}}}"#).ok()?;
        }
    }
    let line = lines.get_mut(start..).unwrap_or_default();
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    lines.push(b'\n');
    Some(())
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Dropped => "Dropped",
            Self::ProcessingFailed => "ProcessingFailed",
        }
    }
}
