//! Fuzz targets of Firehose's contracts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use velodrome_dataflows::{Rules, Scoring};

use super::delivery::{DeliveryError, RECORDS_MAX};
use super::splitter::Splitter;
use super::transform::transform;
use crate::ingest::decode::decode;
use crate::ingest::event::Event;
use crate::ingest::fuzz::RACE_SECONDS;

/// A delivery has the same records however it is cut into chunks, and they are those that the JSON library
/// finds in it. The first byte is the size of a chunk.
pub(crate) fn delivery(input: &[u8]) {
    let [size, body @ ..] = input else { return };
    let found = split(body, usize::from(*size) + 1);
    assert_eq!(found, split(body, body.len().max(1)));
    // Fields that are ignored may have values that the library does not read, such as 1e999.
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return };
    let data = |record: &Value| record.get("data")?.as_str().map(str::to_owned);
    let records = fields.get("records").and_then(Value::as_array);
    let expected: Option<Vec<_>> = records.and_then(|records| records.iter().map(data).collect());
    if let Ok((records, id)) = found {
        assert_eq!(fields.get("requestId").and_then(Value::as_str), Some(&*id));
        assert_eq!(expected, Some(records));
    }
}

/// The data of the records of a body that arrives in chunks of `size` bytes, and its id.
fn split(body: &[u8], size: usize) -> Result<(Vec<String>, String), String> {
    let (mut splitter, mut records) = (Splitter::default(), Vec::new());
    for chunk in body.chunks(size) {
        let pushed = splitter.push(chunk, |index, record| {
            assert_eq!(index, records.len());
            records.push(record.data.into_owned());
            Ok::<_, DeliveryError>(())
        });
        pushed.map_err(|error| error.to_string())?;
    }
    let body = splitter.finish().map_err(|error| error.to_string())?;
    assert!(records.len() <= RECORDS_MAX);
    Ok((records, body.request_id))
}

/// The reply has one result for each record. A transformed event is one line, is the same event, and ends
/// with its output.
pub(crate) fn transformation(request: &[u8]) {
    let scoring: Scoring = Rules::default().into();
    let Ok(reply) = transform(request, &scoring) else { return };
    let records = |json: &[u8]| -> serde_json::Result<Vec<Value>> {
        let mut json: Value = serde_json::from_slice(json)?;
        serde_json::from_value(json["records"].take())
    };
    let replied = records(&reply).expect("it is JSON with records");
    // Fields that are ignored may have values that the library does not read.
    let Ok(sent) = records(request) else { return };
    assert_eq!(sent.len(), replied.len());
    let text = |record: &Value| {
        BASE64_STANDARD.decode(record["data"].as_str().unwrap_or_default()).unwrap_or_default()
    };
    for (sent, replied) in sent.iter().zip(&replied) {
        assert_eq!(sent["recordId"], replied["recordId"]);
        if replied["result"] != "Ok" {
            assert_eq!(sent["data"], replied["data"]);
            continue;
        }
        let line = text(replied);
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(decode(&line, RACE_SECONDS), decode(&text(sent), RACE_SECONDS));
        if let Ok(Event::Race(race)) = decode(&line, RACE_SECONDS) {
            let output = scoring.output(&race.event);
            assert!(line.ends_with(format!(",\"output\":{output}}}\n").as_bytes()));
        }
    }
}
