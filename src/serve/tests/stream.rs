//! Streams over HTTP: refused requests, the first frames, resumption and the end.

use velodrome_dataflows::ViewCount;

use super::*;
use crate::live_state::LiveChange;

/// Follows topics and reads until `text` arrives. Returns the connection and everything read.
pub(super) fn follow(service: &Service, query: &str, text: &str) -> (TcpStream, String) {
    let mut stream = service.connect();
    let head = format!("GET /v1/stream?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let received = read_until(&mut stream, text);
    (stream, received)
}

pub(super) fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut received = String::new();
    while !received.contains(text) {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "{received}");
        received.push_str(str::from_utf8(&bytes[..read]).unwrap());
    }
    received
}

pub(super) fn viewed(service: &Service, time: EventTime, project: &str) {
    let count = ViewCount { views: 1, duration_ms: 0 };
    service.live_state.apply(time, vec![LiveChange::Views(project.into(), count)]);
    service.complete.send(time).unwrap();
}

/// Returns the number of connected clients.
pub(super) fn streams(service: &Service) -> usize {
    service.app.streams().broker.streams()
}

#[test]
fn rejects_and_quotes_bad_parameters() {
    let service = Service::start(without_tokens());
    for (query, message) in [
        ("", "the parameter 'topics' is missing"),
        ("?topics=", "''"),
        ("?topics=races,laps:1", "'laps:1'"),
        ("?topics=board:1,board:1", "'board:1'"),
        ("?topics=races&since=1", "unknown parameter 'since'"),
        ("?topics=races&topics=stats", "'topics' is given twice"),
    ] {
        let answer = service.get(&format!("/v1/stream{query}"));
        assert_eq!(answer.error(), is_error(400, "bad_parameter"), "{query}");
        assert!(answer.text.contains(message), "{}", answer.text);
    }
}

#[test]
fn a_stream_begins_at_once_and_sends_changes() {
    let service = Service::start(without_tokens());
    let (mut stream, received) = follow(&service, "topics=views:*", "\"rows\":[]}\n\n");
    let received = received.to_ascii_lowercase();
    assert!(received.starts_with("http/1.1 200"), "{received}");
    for header in [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(received.contains(&format!("\r\n{header}\r\n")), "{received}");
    }
    assert!(
        received.contains("retry: 1000\n\n") && received.contains("event: snapshot\n"),
        "{received}"
    );
    viewed(&service, ARRIVAL_MS, "trailer");
    let received = read_until(&mut stream, "\n\n");
    let data = format!(
        r#"data: {{"topic":"views:*","asOf":{ARRIVAL_MS},"rows":[{{"projectId":"trailer","views":1,"durationMs":0}}]}}"#
    );
    assert!(received.contains("event: delta\n") && received.contains(&data), "{received}");
}

#[test]
fn resumes_after_the_id_in_the_header_or_the_parameter() {
    let service = Service::start(without_tokens());
    let (_, received) = follow(&service, "topics=views:*", "\"rows\":[]}\n\n");
    let id = received.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    viewed(&service, ARRIVAL_MS, "trailer");
    let query = format!("topics=views:*&lastEventId={id}");
    let (_, received) = follow(&service, &query, "\"trailer\"");
    assert!(!received.contains("snapshot"), "{received}");
    // The header takes precedence; its id is from another run.
    let mut stream = service.connect();
    let head =
        format!("GET /v1/stream?{query} HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 0-1\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert!(read_until(&mut stream, "\"trailer\"").contains("snapshot"));
}

#[test]
fn a_firebase_client_gets_the_current_value_and_then_changes() {
    let service = Service::start(without_tokens());
    viewed(&service, ARRIVAL_MS, "intro");
    let listen = |path: &str, text: &str| {
        let mut stream = service.connect();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let received = read_until(&mut stream, text);
        assert!(
            received
                .to_ascii_lowercase()
                .contains("content-type: text/event-stream; charset=utf-8\r\n"),
            "{received}"
        );
        assert!(!received.contains("id: ") && !received.contains("retry: "), "{received}");
        stream
    };
    let put = |data: &str| format!("event: put\ndata: {{\"path\":\"/\",\"data\":{data}}}\n\n");
    let patch = |path: &str, views: u32| {
        let data = format!("{{\"durationMs\":0,\"views\":{views}}}");
        format!("event: patch\ndata: {{\"path\":\"{path}\",\"data\":{data}}}\n\n")
    };
    let intro = "{\"durationMs\":0,\"views\":1}";
    let mut all = listen("/project.json", &put(&format!("{{\"intro\":{intro}}}")));
    let mut project = listen("/project/intro.json", &put(intro));
    let mut views = listen("/project/intro/views.json", &put("1"));
    let mut other = listen("/project/outro.json", &put("null"));
    viewed(&service, ARRIVAL_MS + 10, "outro");
    read_until(&mut all, &patch("/outro", 1));
    read_until(&mut other, &patch("/", 1));
    viewed(&service, ARRIVAL_MS + 20, "intro");
    read_until(&mut all, &patch("/intro", 2));
    // Changes of another project or of another counter are not sent in between.
    let watched = ViewCount { views: 0, duration_ms: 5 };
    let time = ARRIVAL_MS + 30;
    service.live_state.apply(time, vec![LiveChange::Views("intro".into(), watched)]);
    service.complete.send(time).unwrap();
    assert!(!read_until(&mut project, "\"durationMs\":5").contains("outro"));
    viewed(&service, ARRIVAL_MS + 40, "intro");
    let sent = read_until(&mut views, &put("3"));
    assert!(sent.matches(&put("2")).count() <= 1, "{sent}");
}

#[test]
fn stats_include_how_long_posts_wait() {
    let service = Service::start(without_tokens());
    let (mut stream, mut received) =
        follow(&service, "topics=stats", "\"ackP50Ms\":null,\"ackP99Ms\":null");
    assert_eq!(service.post("application/json", event(1)).status, 200);
    let has_latency = |received: &str| {
        let mut sent = received.split("\"ackP50Ms\":").skip(1);
        sent.any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    while !has_latency(&received) {
        received.push_str(&read_until(&mut stream, "\n\n"));
    }
}

#[test]
fn a_shutdown_ends_streams_at_once() {
    let mut service = Service::start(without_tokens());
    let (mut stream, _) = follow(&service, "topics=races,stats", "snapshot");
    // Running requests get up to a minute.
    service.stop();
    assert!(read_to_end(&mut stream).ends_with("0\r\n\r\n"));
}

#[test]
fn a_client_that_reads_nothing_is_disconnected_and_delays_no_other_client() {
    let limits = Limits { write_timeout: SHORT, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    let (mut stalled, _) = follow(&service, "topics=views:*", "snapshot");
    let (mut other, _) = follow(&service, "topics=views:*", "snapshot");
    let projects: Vec<_> = (0..100).map(|number| format!("{number:0128}")).collect();
    let count = ViewCount { views: 1, duration_ms: 0 };
    let mut time = ARRIVAL_MS;
    // Once the socket buffers are full, the service closes the connection.
    while streams(&service) == 2 {
        time += 10;
        let views = |project: &String| LiveChange::Views(project.into(), count);
        service.live_state.apply(time, projects.iter().map(views).collect());
        service.complete.send(time).unwrap();
        read_until(&mut other, &format!("\"asOf\":{time},"));
        read_until(&mut other, "\n\n");
    }
    stalled.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    read_to_end(&mut stalled);
}
