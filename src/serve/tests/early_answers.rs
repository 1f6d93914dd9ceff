//! Answers that a client gets before the service has read its body: the connection can be used again, or
//! the answer says that it closes.

use super::ingest::{JSON, LINES};
use super::tokens::{bearer, with_tokens};
use super::*;
use crate::auth::Scope;

/// A client that uses one connection for all requests, and reads a response after it has sent the request.
pub(super) struct KeepAliveClient(TcpStream);

/// Status and head of a response.
type Head = (u16, String);

impl KeepAliveClient {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    pub(super) fn send(&mut self, request: &str, headers: &str, body: &[u8]) -> Head {
        let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        self.0.write_all(&[head.as_bytes(), body].concat()).unwrap();
        self.read()
    }

    /// Reads a response with its body.
    fn read(&mut self) -> Head {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.split("content-length: ").nth(1).map_or("0", |l| l.split_once('\r').unwrap().0);
        self.0.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
        (head[9..12].parse().unwrap(), head)
    }
}

/// The services and requests of each refusal, with headers.
fn refusals() -> Vec<(u16, Service, &'static str, String)> {
    let json = format!("content-type: {JSON}\r\n");
    let limited = Limits { client_requests_in_flight: 0, ..limits() };
    let slow = Limits { client_events_per_second: rate(1), ..limits() };
    let with = |limits| Service::start(Config { limits, ..without_tokens() });
    let read = format!("authorization: {}\r\n{json}", bearer(Scope::Read));
    vec![
        (401, Service::start(with_tokens()), "POST /v1/events", json.clone()),
        (403, Service::start(with_tokens()), "POST /v1/events", read),
        (404, with(limits()), "POST /nowhere", String::new()),
        (405, with(limits()), "POST /v1/classes", String::new()),
        (413, with(slow), "POST /v1/events", format!("content-type: {LINES}\r\n")),
        (415, with(limits()), "POST /v1/events", "content-type: text/html\r\n".to_owned()),
        (429, with(limited), "POST /v1/events", json.clone()),
        (503, Service::starting(without_tokens()), "POST /v1/events", json),
        // A read has no body, but may be sent one.
        (200, with(limits()), "GET /openapi.json", String::new()),
    ]
}

#[test]
fn a_connection_can_be_used_again_after_a_refused_body_of_any_size() {
    for (status, service, request, headers) in refusals() {
        let mut client = KeepAliveClient::new(service.connect());
        for length in [10_000, 100_000, 1_000_000, 8_000_000] {
            let body = b"1\n".repeat(length / 2);
            let chunked = [format!("{length:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
            let length = format!("content-length: {length}\r\n");
            let encoding = "transfer-encoding: chunked\r\n".to_owned();
            for (framing, body) in [(length, body), (encoding, chunked)] {
                let headers = format!("{headers}{framing}");
                let (found, head) = client.send(request, &headers, &body);
                assert_eq!(found, status, "{framing}: {head}");
                assert!(!head.contains("connection: close"), "{status} {framing}: {head}");
                let (found, head) = client.send("GET /healthz", "", b"");
                assert_eq!(found, 200, "after {status} {framing}: {head}");
            }
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_and_its_connection_can_be_used_again() {
    let service = Service::start(without_tokens());
    let mut client = KeepAliveClient::new(service.connect());
    for length in [(8 << 20) + 1, 20 << 20] {
        let headers = format!("content-type: {JSON}\r\ncontent-length: {length}\r\n");
        let (status, head) = client.send("POST /v1/events", &headers, &vec![b' '; length]);
        assert_eq!(status, 413, "{head}");
        assert_eq!(client.send("GET /healthz", "", b"").0, 200);
    }
}

#[test]
fn an_answer_that_does_not_wait_for_the_rest_of_the_body_says_so() {
    let limits = Limits { body_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    for (what, headers, sent) in [
        ("too long", "content-length: 1000000000\r\n", 1 << 20),
        ("stalled", "content-length: 1000000\r\n", 1_000),
        ("stalled in chunks", "transfer-encoding: chunked\r\n", 0),
        ("not asked for", "content-length: 1000000\r\nexpect: 100-continue\r\n", 0),
    ] {
        let mut client = KeepAliveClient::new(service.connect());
        let (status, head) = client.send("POST /nowhere", headers, &vec![b' '; sent]);
        assert_eq!(status, 404, "{what}: {head}");
        assert!(head.contains("connection: close\r\n"), "{what}: {head}");
    }
}
