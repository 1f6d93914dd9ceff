//! What Firehose sends to an HTTP endpoint, taken apart as it comes: a body has up to 64 MiB, and only a record
//! of it is in memory at a time.

use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;
use thiserror::Error;
use utoipa::ToSchema;

use super::object;

/// The largest body, decompressed: Firehose's largest buffer (its "HTTP endpoint delivery request and
/// response specifications").
pub const BYTES_MAX: usize = 64 << 20;

/// The most records of a body (the same page).
const RECORDS_MAX: usize = 10_000;

/// The largest record as it stands in a body: Firehose takes 1,000 KiB (its quotas), which base64 makes a
/// third larger.
const RECORD_BYTES_MAX: usize = 2 << 20;

/// How much of a body may be no record: some 100 bytes for each.
const REST_BYTES_MAX: usize = 1 << 20;

/// How deep records lie: in an array in an object.
const RECORD_DEPTH: usize = 2;

/// A body.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRequest {
    /// The same as in the header.
    pub request_id: String,
    /// When it was made, in ms since the epoch.
    #[allow(dead_code, reason = "that it is there is asked, and no more")]
    timestamp: u64,
    /// What is delivered.
    #[schema(value_type = Vec<DeliveryRecord<'_>>, min_items = 1, max_items = 10_000)]
    records: Vec<usize>,
}

/// A record of a body.
#[derive(Deserialize, ToSchema)]
pub struct DeliveryRecord<'a> {
    /// An event, or several, one a line; in base64.
    #[serde(borrow)]
    pub data: Cow<'a, str>,
}

/// A body that is none of Firehose's.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// It is no JSON, or has other fields.
    #[error("the body is no JSON object with requestId, timestamp and records: {0}")]
    Body(serde_json::Error),
    /// A record of it has other fields.
    #[error("record {0} of the body is no JSON object with data: {1}")]
    Record(usize, serde_json::Error),
    /// There are objects in other places, or no records.
    #[error("the records of the body are not 1 or more objects in one array")]
    Misplaced,
    /// More records than there may be.
    #[error("the body has more than {RECORDS_MAX} records; send less at once")]
    TooManyRecords,
    /// A part that is too large.
    #[error(
        "the body has a record of more than {RECORD_BYTES_MAX} bytes, or as much between its records"
    )]
    TooLarge,
}

/// Takes a body apart as it comes.
#[derive(Debug, Default)]
pub struct Splitter {
    /// In how many objects and arrays the next byte is.
    depth: usize,
    text: Text,
    /// Whether what is [`RECORD_DEPTH`] deep is an array.
    is_array: bool,
    /// The record at hand, as far as it has come.
    record: Vec<u8>,
    /// The body, with the index of a record in the place of each.
    rest: Vec<u8>,
    records: usize,
}

/// Where in a text the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl Splitter {
    /// Goes on with the next bytes; `take` gets each record that comes to its end, with its index. That all
    /// of it is a body is known only at the end.
    ///
    /// # Errors
    /// Those of `take`; a record that is none, and what is too large.
    pub fn push<E: From<DeliveryError>>(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(usize, DeliveryRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((piece, behind)) = self.next_piece(bytes) {
            bytes = behind;
            let is_inside = self.depth > RECORD_DEPTH && self.is_array;
            self.step(piece.last().copied());
            let is_still = self.depth > RECORD_DEPTH && self.is_array;
            // A record begins with the brace that ends a piece, which has other things before it.
            let (before, record) = match (is_inside, is_still) {
                (true, _) => (&[][..], piece),
                (false, true) => piece.split_at(piece.len() - 1),
                (false, false) => (piece, &[][..]),
            };
            self.rest.extend_from_slice(before);
            self.record.extend_from_slice(record);
            if self.record.len() > RECORD_BYTES_MAX || self.rest.len() > REST_BYTES_MAX {
                return Err(DeliveryError::TooLarge.into());
            }
            if is_inside && !is_still {
                let index = self.records;
                self.records += 1;
                if self.records > RECORDS_MAX {
                    return Err(DeliveryError::TooManyRecords.into());
                }
                let record = object(&self.record).map_err(|e| DeliveryError::Record(index, e))?;
                take(index, record)?;
                self.record.clear();
                self.rest.extend_from_slice(index.to_string().as_bytes());
            }
        }
        Ok(())
    }

    /// The body as a whole, once all of it has come.
    ///
    /// # Errors
    /// What is no body.
    pub fn finish(self) -> Result<DeliveryRequest, DeliveryError> {
        let body: DeliveryRequest = object(&self.rest).map_err(DeliveryError::Body)?;
        match self.records > 0 && body.records.iter().copied().eq(0..self.records) {
            true => Ok(body),
            false => Err(DeliveryError::Misplaced),
        }
    }

    /// The bytes up to the next one that changes where we are, and those behind them; none where there are
    /// none at all.
    fn next_piece<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let opens = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
        let last = match self.text {
            Text::Outside => bytes.iter().position(opens),
            Text::Inside => memchr2(b'"', b'\\', bytes),
            Text::Escaped => Some(0),
        };
        (!bytes.is_empty()).then(|| bytes.split_at(last.map_or(bytes.len(), |last| last + 1)))
    }

    /// Where we are behind a piece.
    fn step(&mut self, last: Option<u8>) {
        self.text = match (self.text, last) {
            (Text::Outside, Some(b'"')) | (Text::Escaped, _) => Text::Inside,
            (Text::Inside, Some(b'"')) => Text::Outside,
            (Text::Inside, Some(b'\\')) => Text::Escaped,
            (Text::Outside, Some(opening @ (b'{' | b'['))) => {
                self.depth += 1;
                if self.depth == RECORD_DEPTH {
                    self.is_array = opening == b'[';
                }
                Text::Outside
            }
            (Text::Outside, Some(b'}' | b']')) => {
                self.depth = self.depth.saturating_sub(1);
                Text::Outside
            }
            (text, _) => text,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The data of all records of a body that comes in pieces of so many bytes, and its id.
    fn split(body: &[u8], bytes: usize) -> Result<(Vec<String>, String), String> {
        let (mut splitter, mut records) = (Splitter::default(), Vec::new());
        for piece in body.chunks(bytes) {
            let pushed = splitter.push(piece, |index, record| {
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
        fn records_are_the_same_however_the_body_is_cut(
            data in prop::collection::vec("[ -~\n\"\\\\{}\\[\\]]{0,12}", 1..6),
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
        fn no_body_panics(
            body in "(\\{\"records\":\\[\\{\"data\":\"\"\\})?[\\[\\]{},:\"\\\\a0 ]{0,40}",
            bytes in 1..9usize,
        ) {
            _ = split(body.as_bytes(), bytes);
        }
    }

    #[test]
    fn what_is_no_body_is_told() {
        let with =
            |records: &str| format!(r#"{{"requestId":"a","timestamp":1,"records":{records}}}"#);
        for (body, says) in [
            (String::new(), "does not start with '{'"),
            ("[]".to_owned(), "does not start with '{'"),
            ("{}".to_owned(), "missing field"),
            (
                r#"{"requestId":"a","records":[{"data":""}]}"#.to_owned(),
                "missing field `timestamp`",
            ),
            (r#"{"timestamp":1,"records":[{"data":""}]}"#.to_owned(), "missing field `requestId`"),
            (with(r#"[{"data":""}]"#) + "{}", "trailing characters"),
            (with(r#"[{"data":""}"#), "the body is no JSON object"),
            (with(r#"[{"data":""}]"#).replace(":1", ":-1"), "invalid value"),
            (with("[]"), "not 1 or more objects"),
            (with("{}"), "expected a sequence"),
            (with("[0]"), "not 1 or more objects"),
            (with(r#"[0,{"data":""}]"#), "not 1 or more objects"),
            (with(r#"[{"data":""}],"more":[{"data":""}]"#), "not 1 or more objects"),
            (with("[{}]"), "record 0 of the body is no JSON object with data: missing field"),
            (with(r#"[{"data":1}]"#), "record 0"),
            (with(r#"[{"data":""},{"data":""]}]"#), "record 1"),
            (with(r#"[{"data":"\x"}]"#), "record 0"),
        ] {
            let error = split(body.as_bytes(), 7).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
    }

    #[test]
    fn no_part_of_a_body_is_larger_than_its_bound() {
        let with =
            |records: &str| format!(r#"{{"requestId":"a","timestamp":1,"records":[{records}]}}"#);
        let record = |bytes: usize| format!(r#"{{"data":"{}"}}"#, "x".repeat(bytes - 11));
        let checked =
            |body: String| split(body.as_bytes(), 64 << 10).map(|(records, _)| records.len());
        let is_refused = |body: String, says: &str| {
            let error = checked(body).unwrap_err();
            assert!(error.contains(says), "{error}");
        };
        assert_eq!(checked(with(&record(RECORD_BYTES_MAX))), Ok(1));
        is_refused(with(&record(RECORD_BYTES_MAX + 1)), "a record of more than 2097152 bytes");
        // One that comes to no end is not waited for.
        is_refused(r#"{"records":[{"#.to_owned() + &"[".repeat(RECORD_BYTES_MAX), "2097152 bytes");
        is_refused(with(&(" ".repeat(REST_BYTES_MAX) + &record(99))), "between its records");
        is_refused("{".repeat(REST_BYTES_MAX + 1), "between its records");
        let many = |records: usize| with(&vec![record(20); records].join(", "));
        assert_eq!(checked(many(RECORDS_MAX)), Ok(RECORDS_MAX));
        is_refused(many(RECORDS_MAX + 1), "more than 10000 records");
    }
}
