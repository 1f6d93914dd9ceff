//! Limits of connections and of time, and shutdown.

use super::*;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Reads the response to one [`GET`].
fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(br#"{"status":"ok"}"#) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_connection_is_reused_until_it_is_idle_for_too_long() {
    let limits = Limits { keep_alive: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let mut stream = service.connect();
    for _ in 0..3 {
        stream.write_all(GET).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    }
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn closes_a_connection_whose_head_does_not_arrive_in_time() {
    let limits = Limits { head_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    assert!(!service.exchange(&GET[..20]).starts_with("HTTP/1.1 200"));
    assert!(!service.exchange(b"").starts_with("HTTP/1.1 200"));
    // Between two requests the connection may be idle for longer.
    let mut stream = service.connect();
    for _ in 0..2 {
        stream.write_all(GET).unwrap();
        answer(&mut stream);
        thread::sleep(2 * SHORT);
    }
    stream.write_all(&GET[..20]).unwrap();
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn rejects_a_head_that_is_not_http_or_too_large() {
    let service = Service::start(without_tokens());
    assert!(service.exchange(b"\x16\x03\x01\r\n\r\n").starts_with("HTTP/1.1 400"));
    // Bytes after the rejected head could reset the connection before the response arrives.
    let large = format!("{:x<1$}", "GET / HTTP/1.1\r\nx: ", 32 << 10);
    assert!(service.exchange(large.as_bytes()).starts_with("HTTP/1.1 431"));
    assert_eq!(service.get("/healthz").status, 200);
}

#[test]
fn a_connection_over_the_limit_waits_for_a_request_of_its_client() {
    let limits = Limits { connections_max: 1, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let mut first = service.connect();
    first.write_all(b"GET /v1/stream?topics=stats HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 15]).unwrap();
    let mut second = service.connect();
    second.write_all(GET).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(second.read(&mut [0]).is_err(), "both connections were served at the same time");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(answer(&mut second).starts_with("HTTP/1.1 200"));
}

#[test]
fn closes_the_connection_of_a_client_that_reads_no_response() {
    let limits = Limits { write_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let mut stream = service.connect();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // More responses than the sockets can buffer. Without the timeout both sides would wait forever.
    let requests = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let error = (0..10_000).find_map(|_| stream.write_all(&requests).err()).unwrap();
    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn shutdown_completes_requests_in_progress_and_accepts_no_more() {
    let mut service = Service::start(without_tokens());
    let mut slow = service.connect();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 25]).unwrap();
    service.shutdown.send_replace(true);
    while TcpStream::connect(service.address).is_ok() {
        thread::yield_now();
    }
    slow.write_all(b"[]").unwrap();
    assert!(read_to_end(&mut slow).starts_with("HTTP/1.1 200"));
    service.stop();
}

#[test]
fn shutdown_closes_connections_whose_requests_do_not_end() {
    let limits = Limits { shutdown_timeout: SHORT, ..limits() };
    let mut service = Service::start(Config { limits, ..without_tokens() });
    let mut slow = service.connect();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 25]).unwrap();
    service.stop();
    assert_eq!(read_to_end(&mut slow), "");
}
