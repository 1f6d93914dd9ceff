//! The server's bounds on connections and times, and its end.

use super::*;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Reads one answer to [`GET`], which has a length.
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
fn a_connection_serves_request_after_request_until_it_is_idle_too_long() {
    let limits = Limits { head: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let mut stream = service.connect();
    for _ in 0..3 {
        stream.write_all(GET).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200"));
    }
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn a_head_that_does_not_come_whole_in_time_ends_its_connection() {
    let limits = Limits { head: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    assert!(!service.exchange(&GET[..20]).starts_with("HTTP/1.1 200"));
    assert!(!service.exchange(b"").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_head_that_is_no_http_or_too_large_is_refused() {
    let service = Service::start(open());
    assert!(service.exchange(b"\x16\x03\x01\r\n\r\n").starts_with("HTTP/1.1 400"));
    // What was sent beyond a head that is refused could break the connection before the answer.
    let large = format!("{:x<1$}", "GET / HTTP/1.1\r\nx: ", 32 << 10);
    assert!(service.exchange(large.as_bytes()).starts_with("HTTP/1.1 431"));
    assert_eq!(service.get("/healthz").status, 200);
}

#[test]
fn connections_over_the_bound_wait_for_their_turn() {
    let limits = Limits { connections: 1, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let mut first = service.connect();
    first.write_all(GET).unwrap();
    answer(&mut first);
    let mut second = service.connect();
    second.write_all(GET).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(second.read(&mut [0]).is_err(), "the second was served beside the first");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(answer(&mut second).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_that_takes_no_byte_of_its_answers_is_cut_off() {
    let limits = Limits { write: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..open() });
    let mut stream = service.connect();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // Far more answers than sockets buffer; without the cut-off, both sides wait for ever.
    let requests = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let cut = (0..10_000).find_map(|_| stream.write_all(&requests).err()).unwrap();
    assert_ne!(cut.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_shutdown_lets_requests_that_run_end_and_accepts_no_more() {
    let mut service = Service::start(open());
    let mut slow = service.connect();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 25]).unwrap();
    service.stop.send_replace(true);
    while TcpStream::connect(service.address).is_ok() {
        thread::yield_now();
    }
    slow.write_all(b"[]").unwrap();
    assert!(read_to_end(&mut slow).starts_with("HTTP/1.1 200"));
    service.end();
}

#[test]
fn a_shutdown_cuts_off_what_does_not_end() {
    let limits = Limits { shutdown: SHORT, ..limits() };
    let mut service = Service::start(Config { limits, ..open() });
    let mut slow = service.connect();
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                expect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 25]).unwrap();
    service.end();
    assert_eq!(read_to_end(&mut slow), "");
}
