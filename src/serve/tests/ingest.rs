//! `POST /v1/events`: formats, verdicts and errors.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::json;

use super::tokens::{bearer, with_tokens};
use super::*;
use crate::auth::Scope;
use crate::log::{AppendError, Obstacle};
use crate::serve::error::ApiError;
use crate::serve::visibility::VisibilityToken;

pub(super) const JSON: &str = "application/json";
pub(super) const LINES: &str = "application/x-ndjson";

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn accepts_an_object_an_array_and_lines_and_returns_a_token() {
    let service = Service::start(without_tokens());
    let (one, two) = (event(1), event(2));
    let token = VisibilityToken::of_arrival(ARRIVAL_MS).to_string();
    for (kind, body, expected) in [
        (JSON, format!(" {one}\n"), vec![&one]),
        ("application/json; charset=utf-8", format!("[{one}, {two}]"), vec![&one, &two]),
        (LINES, format!("{one}\n\n{two}\r\n"), vec![&one, &two]),
        ("application/jsonl", format!("{one}\n{two}"), vec![&one, &two]),
    ] {
        let before = service.logged().len();
        let answer = service.post(kind, &body);
        let reply = json!({"accepted": expected.len(), "rejected": [], "token": token});
        assert_eq!((answer.status, answer.json()), (200, reply), "{body}");
        let texts = service.logged().split_off(before);
        let expected: Vec<_> = expected.into_iter().cloned().collect();
        assert_eq!(texts, expected, "{body}");
    }
    let headers = [("content-type", LINES), ("content-encoding", "gzip")];
    let answer = service.request("POST", "/v1/events", &headers, &gzip(one.as_bytes()));
    assert_eq!(answer.json()["accepted"], 1);
}

#[test]
fn accepts_all_events_of_a_large_body_in_order() {
    let service = Service::start(without_tokens());
    let events: Vec<_> = (0..30_000).map(|second| event(second % 300 + 1)).collect();
    let answer = service.post(LINES, events.join("\n"));
    assert_eq!(answer.json()["accepted"], 30_000);
    assert!(service.logged() == events);
}

#[test]
fn rejects_invalid_events_alone_and_records_their_sender() {
    let service = Service::start(without_tokens());
    let body = format!("{}\n\n{{\"event\":\"final\"}}\n{}\n\u{feff}5", event(1), event(301));
    let answer = service.post(LINES, body);
    let json = answer.json();
    assert_eq!((answer.status, &json["accepted"]), (200, &json!(1)));
    let rejected = json["rejected"].as_array().unwrap();
    let verdicts: Vec<_> = rejected.iter().map(|v| v["index"].as_u64().unwrap()).collect();
    assert_eq!(verdicts, [1, 2, 3]);
    assert_eq!(rejected[0]["error"], "classId is missing; it must be an integer from 1 to 65535");
    assert_eq!(rejected[1]["error"], "second is 301; it must be an integer from 1 to 300");

    let dead_letters = service.dead_letters();
    assert_eq!(dead_letters.len(), 3);
    assert_eq!(dead_letters[1]["errorMessage"], rejected[1]["error"]);
    assert_eq!(dead_letters[1]["rawData"], BASE64_STANDARD.encode(event(301)));
    let source = &dead_letters[1]["source"];
    assert_eq!(source["index"], 2);
    assert!(source["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn without_accepted_events_the_token_is_the_complete_time() {
    let service = Service::start(without_tokens());
    service.complete.send_replace(1_620_240_000_730);
    let now = VisibilityToken::at(1_620_240_000_730).to_string();
    for (kind, body) in [(LINES, "5\n{}"), (JSON, "{}"), (JSON, "[]"), (JSON, "[[1], null]")] {
        let answer = service.post(kind, body);
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(answer.json()["token"], now, "{body}");
    }
    assert!(service.logged().is_empty());
}

#[test]
fn rejects_a_body_that_cannot_be_parsed() {
    let service = Service::start(without_tokens());
    let broken = format!("[{},", event(1));
    for body in ["", " \n", "5", "\"x\"", "[{]", "{\"event\":", "[] []", "{} {}", &broken] {
        assert_eq!(service.post(JSON, body).error(), is_error(400, "bad_body"), "{body}");
    }
    assert_eq!(service.post(JSON, b"[\"\xff\"]").error(), is_error(400, "bad_body"));
    assert_eq!(service.post(LINES, "\n \r\n").error(), is_error(400, "bad_body"));
    let headers = [("content-type", JSON), ("content-encoding", "gzip")];
    let answer = service.request("POST", "/v1/events", &headers, &gzip(b"[]")[..15]);
    assert_eq!(answer.error(), is_error(400, "bad_body"));
    assert_eq!(service.post("text/html", "{}").error(), is_error(415, "unsupported_media_type"));
    let unknown = service.request("POST", "/v1/events?zz=1", &[("content-type", JSON)], b"[]");
    assert_eq!(unknown.error(), is_error(400, "bad_parameter"));
    assert!(service.logged().is_empty());
}

#[test]
fn errors_of_the_log_do_not_reveal_their_reason() {
    use axum::response::IntoResponse;
    for (error, status, code) in [
        (AppendError::QueueFull, 503, "busy"),
        (AppendError::MemoryFull, 503, "memory_full"),
        (AppendError::Unavailable(Obstacle::DiskFull), 507, "disk_full"),
        (AppendError::Unavailable(Obstacle::NoFile("EMFILE".to_owned())), 503, "log_unavailable"),
        (AppendError::Poisoned("/secret: EIO".to_owned()), 503, "log_failed"),
        (AppendError::Closed, 503, "stopping"),
    ] {
        let error = ApiError::from(error);
        let shown = format!("{error:?}");
        assert!(shown.contains(code) && !shown.contains("secret"), "{shown}");
        let response = error.into_response();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.headers().contains_key("retry-after"), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_body_and_no_headers_cause_an_internal_error(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{},:\"0-9a-z\\\\ \n]{0,60}".prop_map(String::into_bytes),
            Just(gzip(b"[{}]")),
        ],
        kind in prop_oneof![Just(JSON), Just(LINES), Just("text/html"), Just("")],
        coding in prop_oneof![4 => Just(""), 2 => Just("gzip"), 1 => Just("br")],
        authorization in "[ -~]{0,20}",
    ) {
        static SERVICE: std::sync::LazyLock<Service> = std::sync::LazyLock::new(|| {
            Service::start(with_tokens())
        });
        let known = [("content-type", kind), ("content-encoding", coding)];
        let answer = |authorization: &str| {
            let headers = [known[0], known[1], ("authorization", authorization)];
            SERVICE.request("POST", "/v1/events", &headers, &body)
        };
        prop_assert_eq!(answer(authorization.trim()).status, 401);
        let answer = answer(&bearer(Scope::Ingest));
        prop_assert!([200, 400, 415].contains(&answer.status), "{} {}", answer.status, answer.text);
        if answer.status != 200 {
            answer.error();
        }
    }
}
