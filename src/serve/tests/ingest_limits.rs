//! `POST /v1/events`: limits of size, rate, memory, concurrency and time.

use super::ingest::{JSON, LINES, gzip};
use super::*;

#[test]
fn rejects_a_body_over_the_size_limit_plain_and_as_gzip() {
    let service = Service::start(without_tokens());
    let large = vec![b' '; (8 << 20) + 1];
    assert_eq!(service.post(LINES, &large).error(), is_error(413, "body_too_large"));
    assert_eq!(service.post(JSON, [&large[3..], b"{}"].concat()).json()["accepted"], 0);
    let headers = [("content-type", LINES), ("content-encoding", "gzip")];
    let answer = service.request("POST", "/v1/events", &headers, &gzip(&large));
    assert_eq!(answer.error(), is_error(413, "body_too_large"));
}

#[test]
fn a_client_over_its_rate_gets_retry_after() {
    let limits = Limits { client_events_per_second: rate(3), ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    assert_eq!(service.post(LINES, "1\n2\n3\n4").error(), is_error(413, "too_many_events"));
    assert_eq!(service.post(JSON, "[1,2,3,4]").error(), is_error(413, "too_many_events"));
    assert_eq!(service.post(JSON, "[1,2,3]").status, 200);
    let answer = service.post(JSON, "[1,2,3]");
    assert_eq!(answer.error(), is_error(429, "too_many_requests"));
    assert_eq!(answer.header("retry-after"), "1");
}

#[test]
fn bodies_over_the_memory_of_all_clients_get_a_503() {
    // A client may use half of it.
    let limits = Limits { bodies_bytes_max: 200, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let answer = service.post(LINES, event(1));
    assert_eq!(answer.error(), is_error(503, "busy"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(service.post(LINES, "5").status, 200);
    // Verdicts count against the same memory budget as the body.
    assert_eq!(service.post(LINES, "5\n5\n5").error(), is_error(503, "busy"));
}

#[test]
fn limits_the_requests_in_flight_of_a_client() {
    let limits = Limits { client_requests_in_flight: 1, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let mut slow = service.connect();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    // The server sends `100 Continue` once it has counted the request.
    let mut proceed = [0; 25];
    slow.read_exact(&mut proceed).unwrap();
    let answer = service.post(JSON, "[]");
    assert_eq!(answer.error(), is_error(429, "too_many_requests"));
    assert_eq!(answer.header("retry-after"), "1");
    slow.write_all(b"[]").unwrap();
    assert!(read_to_end(&mut slow).starts_with("HTTP/1.1 200"));
    assert_eq!(service.post(JSON, "[]").status, 200);
}

#[test]
fn accepts_nothing_while_the_service_starts_or_the_engine_lags() {
    let service = Service::starting(without_tokens());
    let answer = service.post(JSON, "[]");
    assert_eq!(answer.error(), is_error(503, "starting"));
    assert_eq!(answer.header("retry-after"), "1");
    service.finish_start();
    assert_eq!(service.post(JSON, "[]").status, 200);
    service.lag_ms.store(2_001, Ordering::Relaxed);
    let answer = service.post(JSON, "[]");
    assert_eq!(answer.error(), is_error(503, "engine_behind"));
    assert_eq!(answer.header("retry-after"), "1");
    service.lag_ms.store(2_000, Ordering::Relaxed);
    assert_eq!(service.post(JSON, "[]").status, 200);
}

#[test]
fn rejects_a_body_that_does_not_arrive_in_time_and_survives_a_broken_connection() {
    let limits = Limits { body_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for part in ["content-length: 9\r\n\r\n[", "transfer-encoding: chunked\r\n\r\n2\r\n[1\r\n"] {
        let answer = service.exchange(format!("{head}{part}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains(r#"{"error":{"code":"body_timeout""#), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
    let mut half = service.connect();
    half.write_all(format!("{head}content-length: 9\r\n\r\n[").as_bytes()).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_to_end(&mut half);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(service.post(JSON, "[]").status, 200);
}
