//! What one client may use of the connections and of the memory of bodies, next to other clients.

use super::early_answers::KeepAliveClient;
use super::ingest::JSON;
use super::*;

const GREEDY: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

fn is_healthy(service: &Service, client: &str) -> bool {
    KeepAliveClient::new(service.connect_from(client)).send("GET /healthz", "", b"").0 == 200
}

/// Sends the beginning of a request on a new connection.
fn begin(service: &Service, client: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = service.connect_from(client);
    stream.write_all(bytes).unwrap();
    stream
}

#[test]
fn a_client_that_uses_all_connections_starves_nobody() {
    let limits = Limits { connections_max: 20, ..limits() };
    let slow_body = format!(
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\n\
         content-length: 2\r\n\r\n["
    );
    let stream = "GET /v1/stream?topics=stats HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (what, bytes) in [
        ("nothing", ""),
        ("a part of a head", "GET /"),
        ("bodies", &slow_body),
        ("streams", stream),
    ] {
        let service = Service::start(Config { limits, ..without_tokens() });
        // Further connections of the client itself only replace those of its that wait.
        let count = if what == "streams" { 18 } else { 40 };
        let _open: Vec<_> = (0..count).map(|_| begin(&service, GREEDY, bytes.as_bytes())).collect();
        assert!(is_healthy(&service, GREEDY), "{what}");
        let others: Vec<_> = (0..10).map(|_| begin(&service, OTHER, b"GET /")).collect();
        for mut other in others {
            other
                .write_all(b"healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                .unwrap();
            assert!(read_to_end(&mut other).starts_with("HTTP/1.1 200"), "{what}");
        }
    }
}

#[test]
fn a_client_that_uses_its_memory_of_bodies_starves_nobody() {
    let limits = Limits { bodies_bytes_max: 4_000, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\n\
         content-length: 1000\r\n\r\n"
    );
    let stalled = [head.as_bytes(), &[b' '; 990]].concat();
    let post = |client| {
        let body = event(1);
        let length = body.len();
        let headers = format!("content-type: {JSON}\r\ncontent-length: {length}\r\n");
        let mut client = KeepAliveClient::new(service.connect_from(client));
        client.send("POST /v1/events", &headers, body.as_bytes()).0
    };
    let mut open = Vec::new();
    while post(GREEDY) != 503 {
        open.push(begin(&service, GREEDY, &stalled));
    }
    assert_eq!(post(OTHER), 200);
    assert!(is_healthy(&service, GREEDY));
}
