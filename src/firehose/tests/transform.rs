//! The data transformation.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use velodrome_dataflows::Rules;

use super::super::transform::{BYTES_MAX, transform};

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

/// Result and data of a record whose data is `data`.
fn record(data: &str) -> (String, String) {
    let reply = reply(&json!({"records": [{"recordId": "r", "data": data}]}).to_string());
    let record = &reply.unwrap()["records"][0];
    assert_eq!(record["recordId"], "r");
    let text = |name: &str| record[name].as_str().unwrap().to_owned();
    (text("result"), text("data"))
}

/// The line that an event becomes.
fn transformed(text: &str) -> String {
    let (result, data) = record(&encoded(text));
    assert_eq!(result, "Ok", "{text}");
    String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap()
}

#[test]
fn a_race_event_gets_its_output_as_the_last_field_and_is_otherwise_unchanged() {
    let race = |more: &str| format!("{RACE}{more}}}");
    let out = |more: &str| format!("{RACE}{more},\"output\":100}}\n");
    assert_eq!(transformed(&race("")), out(""));
    let other_fields = r#","x":1.50E+1,"\u0079":"a\u00e9\/\n","z":[ {"output":1} ]"#;
    assert_eq!(transformed(&race(other_fields)), out(other_fields));
    // An existing output is replaced, wherever it is and however its key is escaped.
    assert_eq!(transformed(&race(r#","output":3,"x":1,"out\u0070ut" : null"#)), out(r#","x":1"#));
    assert_eq!(transformed(&format!(" \n{}\t\r\n", race(" , \"x\" : 1 "))), out(" , \"x\" : 1"));
    assert_eq!(transformed(&race(",\r\n\"x\":\n1\n")), out(",  \"x\": 1"));
    // Only the output and its comma are removed.
    assert_eq!(
        transformed(&race(r#", "x" : 1 , "output" : 3,	"y":2 "#)),
        out(r#", "x" : 1,	"y":2"#)
    );
    let output = |cadence: &str| {
        let line =
            transformed(&race("").replace("\"cadence\":65", &format!("\"cadence\":{cadence}")));
        line.rsplit_once("\"output\":").unwrap().1.to_owned()
    };
    assert_eq!(output("0"), "35}\n");
    assert_eq!(output("78.00666666666666"), "113.00666666666666}\n");
    assert_eq!(output("1e3"), "1035}\n");
}

#[test]
fn a_tracking_event_is_unchanged_with_a_newline() {
    let spaced = VIEW.replace(':', " :\n ");
    for (text, line) in [
        (VIEW.to_owned(), VIEW.to_owned()),
        (format!("{VIEW}\n"), VIEW.to_owned()),
        (spaced.clone(), spaced.replace('\n', " ")),
        (VIEW.replace('}', ",\"output\":1}"), VIEW.replace('}', ",\"output\":1}")),
    ] {
        assert_eq!(transformed(&text), line + "\n");
    }
}

#[test]
fn a_record_of_several_events_becomes_as_many_lines() {
    let race = format!("{RACE}}}");
    let lines = format!("{VIEW}\n{RACE},\"output\":100}}\n{VIEW}\n");
    for record in [
        format!("{VIEW}\n{race}\n{VIEW}"),
        format!("{VIEW}{race} {VIEW}\r\n"),
        format!("\n{VIEW}\r\n\r\n{race}{VIEW}"),
    ] {
        assert_eq!(transformed(&record), lines, "{record:?}");
    }
}

#[test]
fn blank_records_are_dropped_and_invalid_ones_fail_unchanged() {
    for text in ["", " \r\n\t"] {
        assert_eq!(record(&encoded(text)), ("Dropped".to_owned(), encoded(text)));
    }
    let torn = format!("{VIEW}\n{}", &VIEW[1..]);
    let joined = format!("{VIEW}x{VIEW}");
    let long = format!("{RACE},\"x\":\"{}\"}}", "x".repeat(1 << 20));
    let late = format!("{}}}", RACE.replace(":3,", ":301,"));
    for text in ["5", "{}", "\u{feff}{}", &torn, &joined, &long, &late, &VIEW[1..]] {
        assert_eq!(record(&encoded(text)), ("ProcessingFailed".to_owned(), encoded(text)));
    }
    assert_eq!(record(&encoded(b"\xff")).0, "ProcessingFailed");
    for data in ["no base64!", "e30", "e30=\n"] {
        assert_eq!(record(data), ("ProcessingFailed".to_owned(), data.to_owned()));
    }
}

#[test]
fn records_keep_their_order_and_the_rules_apply() {
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
fn rejects_invalid_requests_with_a_reason() {
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
fn rejects_requests_and_replies_over_the_limit_of_a_function() {
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
