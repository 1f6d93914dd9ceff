//! The data transformation: what a Lambda function between a stream and its delivery does.
//!
//! A race event gets its output as the last field; one that it brings already is taken away, as it is always
//! computed again. Of either kind of event all else stays as it is written, on one line: blanks around it are left
//! out, line breaks in it, which can only be blanks, become spaces, and a newline is behind it, so that what is
//! delivered is read line by line. A record that is blank is dropped: there is nothing in it that could be missed.
//! Every other one fails, its data untouched.

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

use super::object;
use crate::ingest::decode::decode;
use crate::ingest::event::Event;
use crate::ingest::fields::without;

/// The largest request and the largest reply: what an invocation of a Lambda function may have (Lambda's
/// quotas, "invocation payload").
pub const BYTES_MAX: usize = 6 << 20;

/// The field that a race event gets.
const OUTPUT: &str = "output";

/// Records that are to be transformed.
#[derive(Deserialize, ToSchema)]
pub struct TransformRequest<'a> {
    /// In the order of the stream.
    #[serde(borrow)]
    #[schema(value_type = Vec<TransformRecord<'_>>)]
    records: Vec<&'a RawValue>,
}

/// A record that is to be transformed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransformRecord<'a> {
    /// What the reply calls it by.
    #[serde(borrow)]
    record_id: Cow<'a, str>,
    /// An event, in base64.
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// The records of a request, as many and in the same order.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "it describes what `transform` writes one by one")]
pub struct TransformReply<'a> {
    records: Vec<Transformed<'a>>,
}

/// A record that was transformed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transformed<'a> {
    /// What the request calls it by.
    record_id: Cow<'a, str>,
    /// What became of it.
    result: Outcome,
    /// What it is now, in base64; where that is not `Ok`, what it was.
    data: Cow<'a, str>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
enum Outcome {
    /// It is an event.
    Ok,
    /// There is nothing in it.
    Dropped,
    /// It is no event.
    ProcessingFailed,
}

/// A request that is not answered.
#[derive(Debug, Error)]
pub enum TransformError {
    /// It is no request of Firehose's.
    #[error("the request is no JSON object with records: {0}")]
    Request(serde_json::Error),
    /// A record of it is none.
    #[error("record {0} of the request is no JSON object with recordId and data: {1}")]
    Record(usize, serde_json::Error),
    /// It is larger than any that Firehose sends.
    #[error("the request has more than {BYTES_MAX} bytes; send less at once")]
    RequestTooLarge,
    /// Firehose would not take the reply.
    #[error(
        "the reply would have more than {BYTES_MAX} bytes; send less at once (Firehose's \
         BufferSizeInMBs of the transformation)"
    )]
    ReplyTooLarge,
}

/// The reply to `request`: JSON both.
///
/// # Errors
/// What is no request, and where either is too large.
pub fn transform(request: &[u8], scoring: &Scoring) -> Result<Vec<u8>, TransformError> {
    if request.len() > BYTES_MAX {
        return Err(TransformError::RequestTooLarge);
    }
    let TransformRequest { records } = object(request).map_err(TransformError::Request)?;
    let mut reply = br#"{"records":["#.to_vec();
    for (index, record) in records.into_iter().enumerate() {
        let unreadable = |error| TransformError::Record(index, error);
        let record = object(record.get().as_bytes()).map_err(unreadable)?;
        if index > 0 {
            reply.push(b',');
        }
        serde_json::to_writer(&mut reply, &transformed(record, scoring)).map_err(unreadable)?;
        if reply.len() + "]}".len() > BYTES_MAX {
            return Err(TransformError::ReplyTooLarge);
        }
    }
    reply.extend_from_slice(b"]}");
    Ok(reply)
}

fn transformed<'a>(record: TransformRecord<'a>, scoring: &Scoring) -> Transformed<'a> {
    let TransformRecord { record_id, data } = record;
    let (result, data) = match BASE64_STANDARD.decode(&*data) {
        Ok(text) if text.trim_ascii().is_empty() => (Outcome::Dropped, data),
        Ok(text) => match line(&text, scoring) {
            Some(line) => (Outcome::Ok, BASE64_STANDARD.encode(line).into()),
            None => (Outcome::ProcessingFailed, data),
        },
        Err(_) => (Outcome::ProcessingFailed, data),
    };
    counter!("velodrome_firehose_records_total", "result" => result.name()).increment(1);
    Transformed { record_id, result, data }
}

/// The line that an event becomes; none for what is no event.
fn line(text: &[u8], scoring: &Scoring) -> Option<Vec<u8>> {
    let event = decode(text, scoring.rules().race_seconds).ok()?;
    let mut line = match event {
        Event::Tracking(_) => text.trim_ascii().to_vec(),
        Event::Race(race) => {
            let text = without(text, OUTPUT).ok()?;
            let mut line = text.trim_ascii().strip_suffix(b"}")?.trim_ascii_end().to_vec();
            let output = scoring.output(&race.event);
            // As JavaScript writes numbers from 1e-6 to 1e21, a whole one without a point: other outputs come of
            // no rules that anybody has.
            write!(line, r#","{OUTPUT}":{output}}}"#).ok()?;
            line
        }
    };
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Some(line)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use velodrome_dataflows::Rules;

    use super::*;

    const RACE: &str = concat!(
        r#"{"event":"final","deviceTimestamp":1,"second":3,"raceId":7,"racerId":0,"classId":1,"#,
        r#""cadence":65,"resistance":35"#
    );
    const VIEW: &str = r#"{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1}"#;

    fn encoded(text: impl AsRef<[u8]>) -> String {
        BASE64_STANDARD.encode(text)
    }

    fn reply(request: &str) -> Result<Value, String> {
        let reply = transform(request.as_bytes(), &Rules::default().into());
        reply.map(|reply| serde_json::from_slice(&reply).unwrap()).map_err(|e| e.to_string())
    }

    /// What becomes of a record whose data are `data`.
    fn record(data: &str) -> (String, String) {
        let reply = reply(&json!({"records": [{"recordId": "r", "data": data}]}).to_string());
        let record = &reply.unwrap()["records"][0];
        assert_eq!(record["recordId"], "r");
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        (text("result"), text("data"))
    }

    /// The text that an event becomes.
    fn taken(text: &str) -> String {
        let (result, data) = record(&encoded(text));
        assert_eq!(result, "Ok", "{text}");
        String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap()
    }

    #[test]
    fn a_race_event_gets_its_output_as_the_last_field_and_all_else_stays_as_it_is_written() {
        let race = |more: &str| format!("{RACE}{more}}}");
        let out = |more: &str| format!("{RACE}{more},\"output\":100}}\n");
        assert_eq!(taken(&race("")), out(""));
        let kept = r#","x":1.50E+1,"\u0079":"a\u00e9\/\n","z":[ {"output":1} ]"#;
        assert_eq!(taken(&race(kept)), out(kept));
        // What it is said to be already does not count, wherever and however it is written.
        assert_eq!(taken(&race(r#","output":3,"x":1,"out\u0070ut" : null"#)), out(r#","x":1"#));
        assert_eq!(taken(&format!(" \n{}\t\r\n", race(" , \"x\" : 1 "))), out(" , \"x\" : 1"));
        assert_eq!(taken(&race(",\r\n\"x\":\n1\n")), out(",  \"x\": 1"));
        let output = |cadence: &str| {
            let line =
                taken(&race("").replace("\"cadence\":65", &format!("\"cadence\":{cadence}")));
            line.rsplit_once("\"output\":").unwrap().1.to_owned()
        };
        assert_eq!(output("0"), "35}\n");
        assert_eq!(output("78.00666666666666"), "113.00666666666666}\n");
        assert_eq!(output("1e3"), "1035}\n");
    }

    #[test]
    fn a_tracking_event_passes_with_a_newline() {
        let spaced = VIEW.replace(':', " :\n ");
        for (text, line) in [
            (VIEW.to_owned(), VIEW.to_owned()),
            (format!("{VIEW}\n"), VIEW.to_owned()),
            (spaced.clone(), spaced.replace('\n', " ")),
            (VIEW.replace('}', ",\"output\":1}"), VIEW.replace('}', ",\"output\":1}")),
        ] {
            assert_eq!(taken(&text), line + "\n");
        }
    }

    #[test]
    fn what_is_blank_is_dropped_and_what_is_no_event_fails_untouched() {
        for text in ["", " \r\n\t"] {
            assert_eq!(record(&encoded(text)), ("Dropped".to_owned(), encoded(text)));
        }
        let two = format!("{VIEW}\n{VIEW}");
        let long = format!("{RACE},\"x\":\"{}\"}}", "x".repeat(1 << 20));
        let late = format!("{}}}", RACE.replace(":3,", ":301,"));
        for text in ["5", "{}", "\u{feff}{}", &two, &long, &late, &VIEW[1..]] {
            assert_eq!(record(&encoded(text)), ("ProcessingFailed".to_owned(), encoded(text)));
        }
        assert_eq!(record(&encoded(b"\xff")).0, "ProcessingFailed");
        for data in ["no base64!", "e30", "e30=\n"] {
            assert_eq!(record(data), ("ProcessingFailed".to_owned(), data.to_owned()));
        }
    }

    #[test]
    fn records_keep_their_order_and_rules_are_obeyed() {
        let data = [VIEW.to_owned(), " ".to_owned(), "5".to_owned(), format!("{RACE}}}")];
        let records: Vec<_> = data
            .iter()
            .enumerate()
            .map(|(id, text)| json!({"recordId": id.to_string(), "data": encoded(text), "x": [1]}))
            .collect();
        let request = json!({"invocationId": "i", "region": "eu-west-1", "records": records});
        let rules = Rules { divisor: 50.0, ..Rules::default() };
        let reply = transform(request.to_string().as_bytes(), &rules.into()).unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        let records = reply["records"].as_array().unwrap();
        let of = |name: &str| -> Vec<_> {
            records.iter().map(|record| record[name].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("recordId"), ["0", "1", "2", "3"]);
        assert_eq!(of("result"), ["Ok", "Dropped", "ProcessingFailed", "Ok"]);
        let line = format!("{RACE},\"output\":200}}\n");
        assert_eq!(of("data")[3], encoded(line));
    }

    #[test]
    fn what_is_no_request_is_told() {
        assert_eq!(reply(r#"{"records":[]}"#), Ok(json!({"records": []})));
        for (request, says) in [
            ("", "does not start with '{'"),
            ("[]", "does not start with '{'"),
            ("{}", "missing field `records`"),
            (r#"{"records":[]} {}"#, "trailing characters"),
            (r#"{"records":{}}"#, "expected a sequence"),
            (r#"{"records":[{"recordId":"a"}]}"#, "record 0 of the request"),
            (r#"{"records":[{"recordId":"a","data":""},["b",""]]}"#, "record 1 of the request"),
        ] {
            let error = reply(request).unwrap_err();
            assert!(error.contains(says), "{request}: {error}");
        }
    }

    #[test]
    fn neither_request_nor_reply_is_larger_than_a_function_may_have() {
        let data = encoded(format!("{RACE}}}"));
        let request = |records: usize| {
            let records = vec![json!({"recordId": "", "data": data}); records];
            json!({"records": records}).to_string()
        };
        let one = request(2).len() - request(1).len();
        let most = (BYTES_MAX - request(0).len()) / one;
        let error = reply(&request(most)).unwrap_err();
        assert!(error.contains("the reply would have more than 6291456 bytes"), "{error}");
        let error = reply(&request(most + 1)).unwrap_err();
        assert!(error.contains("the request has more than 6291456 bytes"), "{error}");
        let full = reply(&request(most / 2)).unwrap();
        assert_eq!(full["records"].as_array().unwrap().len(), most / 2);
    }
}
