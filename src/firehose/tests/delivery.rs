//! Splitting of delivery bodies.

use proptest::prelude::*;
use serde_json::json;

use super::super::delivery::{DeliveryError, RECORD_BYTES_MAX, RECORDS_MAX, REST_BYTES_MAX};
use super::super::splitter::Splitter;

/// Splits a body that arrives in chunks of `bytes`. Returns the data of its records, and its id.
fn split(body: &[u8], bytes: usize) -> Result<(Vec<String>, String), String> {
    let (mut splitter, mut records) = (Splitter::default(), Vec::new());
    for chunk in body.chunks(bytes) {
        let pushed = splitter.push(chunk, |index, record| {
            assert_eq!(index, records.len());
            records.push(record.data.into_owned());
            Ok::<_, DeliveryError>(())
        });
        pushed.map_err(|error| error.to_string())?;
    }
    let body = splitter.finish().map_err(|error| error.to_string())?;
    Ok((records, body.request_id))
}

proptest! {
    #[test]
    fn records_do_not_depend_on_chunk_boundaries(
        data in prop::collection::vec("[ -~\n\"\\\\{}\\[\\]]{0,12}", 0..6),
        is_pretty in any::<bool>(),
        is_first in any::<bool>(),
        bytes in 1..40usize,
    ) {
        let records: Vec<_> = data.iter().map(|d| json!({"data": d, "x": [{"y": "}"}]})).collect();
        let (records, id) = (json!(records), r#""requestId":"{\"","timestamp":1,"z":{"a":{}}"#);
        let records = if is_pretty { format!("{records:#}") } else { records.to_string() };
        let body = match is_first {
            true => format!("{{\"records\": {records}, {id}}}"),
            false => format!("{{{id},\"records\":{records}}}\n"),
        };
        prop_assert_eq!(split(body.as_bytes(), bytes), Ok((data, "{\"".to_owned())));
    }

    #[test]
    fn never_panics(
        body in "(\\{\"records\":\\[\\{\"data\":\"\"\\})?[\\[\\]{},:\"\\\\a0 ]{0,40}",
        bytes in 1..9usize,
    ) {
        _ = split(body.as_bytes(), bytes);
    }
}

#[test]
fn rejects_invalid_bodies_with_a_reason() {
    let with = |records: &str| format!(r#"{{"requestId":"a","timestamp":1,"records":{records}}}"#);
    for (body, says) in [
        (String::new(), "does not start with '{'"),
        ("[]".to_owned(), "does not start with '{'"),
        ("{}".to_owned(), "missing field"),
        (r#"{"requestId":"a","records":[{"data":""}]}"#.to_owned(), "missing field `timestamp`"),
        (r#"{"timestamp":1,"records":[{"data":""}]}"#.to_owned(), "missing field `requestId`"),
        (with(r#"[{"data":""}]"#) + "{}", "trailing characters"),
        (with(r#"[{"data":""}"#), "the body is not a JSON object"),
        (with(r#"[{"data":""}]"#).replace(":1", ":-1"), "invalid value"),
        (with("{}"), "expected a sequence"),
        (with("[0]"), "must be objects in one array"),
        (with(r#"[0,{"data":""}]"#), "must be objects in one array"),
        (with(r#"[{"data":""}],"more":[{"data":""}]"#), "must be objects in one array"),
        (with("[{}]"), "record 0 of the body is not a JSON object with data: missing field"),
        (with(r#"[{"data":1}]"#), "record 0"),
        (with(r#"[{"data":""},{"data":""]}]"#), "record 1"),
        (with(r#"[{"data":"\x"}]"#), "record 0"),
    ] {
        let error = split(body.as_bytes(), 7).unwrap_err();
        assert!(error.contains(says), "{body}: {error}");
    }
}

#[test]
fn rejects_parts_over_their_size_limits() {
    let with =
        |records: &str| format!(r#"{{"requestId":"a","timestamp":1,"records":[{records}]}}"#);
    let record = |bytes: usize| format!(r#"{{"data":"{}"}}"#, "x".repeat(bytes - 11));
    let checked = |body: String| split(body.as_bytes(), 64 << 10).map(|(records, _)| records.len());
    let assert_rejected = |body: String, says: &str| {
        let error = checked(body).unwrap_err();
        assert!(error.contains(says), "{error}");
    };
    assert_eq!(checked(with(&record(RECORD_BYTES_MAX))), Ok(1));
    assert_rejected(with(&record(RECORD_BYTES_MAX + 1)), "a record of more than 2097152 bytes");
    // A record without an end is rejected once it exceeds the limit.
    assert_rejected(r#"{"records":[{"#.to_owned() + &"[".repeat(RECORD_BYTES_MAX), "2097152 bytes");
    assert_rejected(
        with(&(" ".repeat(REST_BYTES_MAX) + &record(99))),
        "1048576 bytes outside of its records",
    );
    assert_rejected("{".repeat(REST_BYTES_MAX + 1), "1048576 bytes outside of its records");
    let many = |records: usize| with(&vec![record(20); records].join(", "));
    assert_eq!(checked(many(RECORDS_MAX)), Ok(RECORDS_MAX));
    assert_rejected(many(RECORDS_MAX + 1), "more than 10000 records");
}
