//! What becomes of the events that clients send.

use std::io::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::json;

use super::auth::{bearer, closed};
use super::*;
use crate::auth::Scope;
use crate::log::AppendError;
use crate::serve::error::ApiError;
use crate::serve::token::Token;

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_object_an_array_and_lines_are_taken_and_told_when_they_are_visible() {
    let service = Service::start(open());
    let (one, two) = (event(1), event(2));
    let arrived = Token::of_arrival(ARRIVAL_MS).to_string();
    for (kind, body, expected) in [
        (JSON, format!(" {one}\n"), vec![&one]),
        ("application/json; charset=utf-8", format!("[{one}, {two}]"), vec![&one, &two]),
        (LINES, format!("{one}\n\n{two}\r\n"), vec![&one, &two]),
        ("application/jsonl", format!("{one}\n{two}"), vec![&one, &two]),
    ] {
        let before = service.logged().len();
        let answer = service.post(kind, &body);
        let reply = json!({"accepted": expected.len(), "rejected": [], "token": arrived});
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
fn a_large_body_is_taken_whole_and_in_order() {
    let service = Service::start(open());
    let events: Vec<_> = (0..30_000).map(|second| event(second % 300 + 1)).collect();
    let answer = service.post(LINES, events.join("\n"));
    assert_eq!(answer.json()["accepted"], 30_000);
    assert!(service.logged() == events);
}

#[test]
fn what_is_no_event_is_rejected_alone_and_kept_with_its_sender() {
    let service = Service::start(open());
    let body = format!("{}\n\n{{\"event\":\"final\"}}\n{}\n\u{feff}5", event(1), event(301));
    let answer = service.post(LINES, body);
    let json = answer.json();
    assert_eq!((answer.status, &json["accepted"]), (200, &json!(1)));
    let rejected = json["rejected"].as_array().unwrap();
    let verdicts: Vec<_> = rejected.iter().map(|v| v["index"].as_u64().unwrap()).collect();
    assert_eq!(verdicts, [1, 2, 3]);
    assert_eq!(rejected[0]["error"], "deviceTimestamp is missing");
    assert_eq!(rejected[1]["error"], "second is 301; it must be an integer from 1 to 300");

    let letters = service.letters();
    assert_eq!(letters.len(), 3);
    assert_eq!(letters[1]["errorMessage"], rejected[1]["error"]);
    assert_eq!(letters[1]["rawData"], BASE64_STANDARD.encode(event(301)));
    let source = &letters[1]["source"];
    assert_eq!(source["index"], 2);
    assert!(source["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn where_nothing_is_taken_the_token_is_the_time_that_is_complete() {
    let service = Service::start(open());
    service.complete.send_replace(1_620_240_000_730);
    let now = Token::at(1_620_240_000_730).to_string();
    for (kind, body) in [(LINES, "5\n{}"), (JSON, "{}"), (JSON, "[]"), (JSON, "[[1], null]")] {
        let answer = service.post(kind, body);
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(answer.json()["token"], now, "{body}");
    }
    assert!(service.logged().is_empty());
}

#[test]
fn a_body_that_is_unreadable_as_a_whole_is_refused() {
    let service = Service::start(open());
    let broken = format!("[{},", event(1));
    for body in ["", " \n", "5", "\"x\"", "[{]", "{\"event\":", "[] []", "{} {}", &broken] {
        assert_eq!(service.post(JSON, body).error(), is_error(400, "bad_body"), "{body}");
    }
    assert_eq!(service.post(JSON, b"[\"\xff\"]").error(), is_error(400, "bad_body"));
    assert_eq!(service.post(LINES, "\n \r\n").error(), is_error(400, "bad_body"));
    let headers = [("content-type", JSON), ("content-encoding", "gzip")];
    let answer = service.request("POST", "/v1/events", &headers, &gzip(b"[]")[..15]);
    assert_eq!(answer.error(), is_error(400, "bad_body"));
    assert_eq!(service.post("text/plain", "{}").error(), is_error(415, "unsupported_media_type"));
    let unknown = service.request("POST", "/v1/events?zz=1", &[("content-type", JSON)], b"[]");
    assert_eq!(unknown.error(), is_error(400, "bad_parameter"));
    assert!(service.logged().is_empty());
}

#[test]
fn a_body_that_is_too_large_is_refused_plain_and_as_gzip() {
    let service = Service::start(open());
    let large = vec![b' '; (8 << 20) + 1];
    assert_eq!(service.post(LINES, &large).error(), is_error(413, "body_too_large"));
    assert_eq!(service.post(JSON, [&large[3..], b"{}"].concat()).json()["accepted"], 0);
    let headers = [("content-type", LINES), ("content-encoding", "gzip")];
    let answer = service.request("POST", "/v1/events", &headers, &gzip(&large));
    assert_eq!(answer.error(), is_error(413, "body_too_large"));
}

#[test]
fn a_client_that_sends_too_much_is_told_when_to_go_on() {
    let limits = Limits { client_events_per_second: rate(3), ..limits() };
    let service = Service::start(Config { limits, ..open() });
    assert_eq!(service.post(LINES, "1\n2\n3\n4").error(), is_error(413, "too_many_events"));
    assert_eq!(service.post(JSON, "[1,2,3,4]").error(), is_error(413, "too_many_events"));
    assert_eq!(service.post(JSON, "[1,2,3]").status, 200);
    let answer = service.post(JSON, "[1,2,3]");
    assert_eq!(answer.error(), is_error(429, "too_many_requests"));
    assert_eq!(answer.header("retry-after"), "1");
}

#[test]
fn over_a_bound_of_all_clients_a_body_is_refused_for_now() {
    let limits = Limits { bodies_bytes: 100, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let answer = service.post(LINES, event(1));
    assert_eq!(answer.error(), is_error(503, "busy"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(service.post(LINES, "5").status, 200);
    // Verdicts count like the body that they are of.
    assert_eq!(service.post(LINES, "5\n5").error(), is_error(503, "busy"));
}

#[test]
fn a_client_has_no_more_requests_in_flight_than_it_may() {
    let limits = Limits { client_requests: 1, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let mut slow = service.connect();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    // The server asks for the body once the request is in.
    let mut asked = [0; 25];
    slow.read_exact(&mut asked).unwrap();
    let answer = service.post(JSON, "[]");
    assert_eq!(answer.error(), is_error(429, "too_many_requests"));
    assert_eq!(answer.header("retry-after"), "1");
    slow.write_all(b"[]").unwrap();
    assert!(read_to_end(&mut slow).starts_with("HTTP/1.1 200"));
    assert_eq!(service.post(JSON, "[]").status, 200);
}

#[test]
fn nothing_is_taken_while_the_service_starts_or_the_engine_lags() {
    let service = Service::starting(open());
    let answer = service.post(JSON, "[]");
    assert_eq!(answer.error(), is_error(503, "starting"));
    assert_eq!(answer.header("retry-after"), "1");
    service.begin();
    assert_eq!(service.post(JSON, "[]").status, 200);
    service.lag_ms.store(2_001, Ordering::Relaxed);
    let answer = service.post(JSON, "[]");
    assert_eq!(answer.error(), is_error(503, "engine_behind"));
    assert_eq!(answer.header("retry-after"), "1");
    service.lag_ms.store(2_000, Ordering::Relaxed);
    assert_eq!(service.post(JSON, "[]").status, 200);
}

#[test]
fn what_the_log_refuses_is_told_without_its_reason() {
    use axum::response::IntoResponse;
    for (error, status, code) in [
        (AppendError::Full, 503, "busy"),
        (AppendError::DiskFull, 507, "disk_full"),
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

#[test]
fn a_body_that_does_not_come_in_time_is_refused_and_one_that_breaks_off_harms_nobody() {
    let limits = Limits { body: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for part in ["content-length: 9\r\n\r\n[", "transfer-encoding: chunked\r\n\r\n2\r\n[1\r\n"] {
        let answer = service.exchange(format!("{head}{part}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains(r#"{"error":{"code":"body_timeout""#), "{answer}");
    }
    let mut half = service.connect();
    half.write_all(format!("{head}content-length: 9\r\n\r\n[").as_bytes()).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_to_end(&mut half);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(service.post(JSON, "[]").status, 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_body_and_no_headers_make_the_service_fail(
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
            Service::start(closed())
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
