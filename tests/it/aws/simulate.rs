//! `simulate --to kinesis:`: the records in the stream, the report, and errors.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::aws::canned_server::serve_response;
use crate::aws::fault_proxy::{FaultProxy, FaultRates};
use crate::aws::servers::Kinesis;
use crate::run::{Workplace, gzip, sample, view};

/// The environment of a command that uses `url` instead of the server itself.
pub(crate) fn environment<'a>(kinesis: &'a Kinesis, url: &'a str) -> Vec<(&'static str, &'a str)> {
    let own = kinesis.environment().filter(|(name, _)| *name != "AWS_ENDPOINT_URL_KINESIS");
    own.chain([("VELODROME_ENDPOINT_URL", url)]).collect()
}

/// Starts a server that denies every call with this reason. Returns its URL.
pub(crate) fn denying(reason: &str) -> String {
    let body = format!(r#"{{"__type":"AccessDeniedException","message":"{reason}"}}"#);
    serve_response("400 Bad Request", "", &body)
}

/// The expected partition key of an event.
fn key(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    match &event["projectId"] {
        Value::String(project) => project.clone(),
        _ if event["racerId"].is_u64() => event["racerId"].to_string(),
        _ => "none".to_owned(),
    }
}

#[test]
fn puts_events_once_and_in_order_per_racer_despite_throttling() {
    let (kinesis, place) = (Kinesis::start(), Workplace::new());
    kinesis.create("races", 4);
    let faults = FaultProxy::start(&kinesis, FaultRates { calls: 0.1, records: 0.1 });
    let mut lines = Vec::new();
    for second in 1..=60 {
        lines.extend((0..20).map(|racer| sample(1_000 * u64::from(second), racer, second, 1.0)));
        lines.push(view(1_000 * u64::from(second), &second.to_string()));
    }
    lines.push("no event".to_owned());
    let (first, second) = lines.split_at(500);
    place.write("events/1.jsonl", first.join("\n"));
    place.write("events/2.gz", gzip(second.join("\n").as_bytes()));

    let arguments = "simulate --to kinesis:races --events events --rate max --connections 3 --json";
    let ended = place.run_with(arguments, &environment(&kinesis, faults.url()), b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["events"], &report["rejected"]), (&lines.len().into(), &0.into()));
    let [calls, _, records] = faults.injected();
    assert!(calls > 0 && records > 0);
    assert!(report["resent"].as_u64() >= Some((calls + records) as u64), "{report}");
    assert!(report["throttled"].as_u64() > Some(calls as u64), "{report}");
    assert!(report["acknowledgedMs"]["p50"].as_f64() > Some(0.0), "{report}");

    let mut expected = BTreeMap::<_, Vec<_>>::new();
    lines.into_iter().for_each(|line| expected.entry(key(&line)).or_default().push(line));
    let mut stored = BTreeMap::<_, Vec<_>>::new();
    for (key, data) in kinesis.records("races").into_iter().flatten() {
        stored.entry(key).or_default().push(String::from_utf8(data).unwrap());
    }
    assert_eq!(stored, expected);
}

#[test]
fn puts_simulated_events_at_the_requested_rate() {
    let (kinesis, place) = (Kinesis::start(), Workplace::new());
    kinesis.create("races", 2);
    // 300 s of racing in 3 s.
    let arguments =
        "simulate --to kinesis:races --hours 0.01 --racers 20 --concurrent 5 --rate 100 --json";
    let ended = place.run_with(arguments, &environment(&kinesis, kinesis.url()), b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let events = kinesis.records("races").iter().map(Vec::len).sum::<usize>();
    assert!(events > 1_500 && report["events"] == events, "{report}");
    assert_eq!((&report["resent"], &report["throttled"]), (&0.into(), &0.into()));
    assert!(report["wallSeconds"].as_f64() >= Some(3.0) && report["lagMsMax"].is_f64(), "{report}");
}

#[test]
fn errors_of_the_stream_are_one_line() {
    let (kinesis, place) = (Kinesis::start(), Workplace::new());
    place.write("event.jsonl", sample(1, 5, 1, 1.0));
    let denied = "User: arn:aws:iam::1:user/bike is not authorized to perform: kinesis:PutRecords";
    let denying = denying(denied);
    let all = environment(&kinesis, kinesis.url());
    let without = |names: &str| {
        let mut environment = all.clone();
        environment.retain(|(name, _)| !name.starts_with(names));
        // The machine's own configuration must not be used either.
        let none =
            ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|name| (name, "/dev/null"));
        environment.extend(none);
        environment.push(("AWS_EC2_METADATA_DISABLED", "true"));
        environment
    };
    let missing = "no such stream 'races' in region 'us-east-1': ResourceNotFoundException";
    let denied = format!(
        "no permission for kinesis:PutRecords on stream 'races' in region 'us-east-1': AccessDeniedException: {denied}"
    );
    for (environment, stream, says) in [
        (all.clone(), "races", missing),
        (environment(&kinesis, &denying), "races", &denied),
        (without("AWS_REGION"), "races", "no AWS region is set; set AWS_REGION"),
        (without("AWS_"), "races", "no AWS region is set"),
        (without("AWS_ACCESS"), "races", "no AWS credentials: "),
        (all.clone(), "a/b", "'kinesis:a/b' names no stream"),
    ] {
        let to = format!("simulate --to kinesis:{stream} --events event.jsonl --rate max");
        let ended = place.run_with(&to, &environment, b"");
        let mut expected = String::new();
        write!(expected, "velodrome: {says}").unwrap();
        assert!(ended.code == 2 && ended.stderr.starts_with(&expected), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}
