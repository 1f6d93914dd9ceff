//! Streams that open before there are results, and streams that cannot open now. `EventSource` never reconnects after a
//! status other than 200.

use std::num::NonZeroUsize;

use super::stream::{follow, read_until, streams, viewed};
use super::tokens::with_tokens;
use super::*;
use crate::cluster::status_tests::status;
use crate::health::Health;
use crate::serve::client::Client;
use crate::serve::stream::Topic;

/// A stream of each kind, with the header `Accept` of `EventSource`.
const STREAMS: [&str; 4] = [
    "/v1/stream?topics=races,stats",
    "/project.json",
    "/project/intro/views.json?ns=x",
    "//users.json",
];

const ACCEPT: (&str, &str) = ("accept", "text/event-stream");

fn open(service: &Service, path: &str) -> TcpStream {
    let mut stream = service.connect();
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Asserts that streams of all kinds end at once, with the time after which to reconnect.
fn assert_all_end(service: &Service, seconds: u32) {
    for path in STREAMS {
        let answer = service.request("GET", path, &[ACCEPT], b"");
        assert_eq!(
            (answer.status, &*answer.text),
            (200, &*format!("retry: {seconds}000\n")),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(answer.header("retry-after"), seconds.to_string());
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[test]
fn streams_open_while_the_service_starts_and_begin_when_it_has_started() {
    let service = Service::starting(without_tokens());
    viewed(&service, ARRIVAL_MS, "intro");
    let mut open: Vec<_> = STREAMS.into_iter().map(|path| open(&service, path)).collect();
    for (stream, path) in open.iter_mut().zip(STREAMS) {
        let head = read_until(stream, "\r\n\r\n").to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(head.contains("\r\nstale: the service is starting\r\n"), "{path}: {head}");
        let (_, body) = head.split_once("\r\n\r\n").unwrap();
        assert!(!body.contains("data"), "{path}: {body}");
    }
    // Reads are still refused.
    assert_eq!(service.get("/v1/races").error(), is_error(503, "starting"));
    assert_eq!(service.get("/project.json").status, 503);
    while streams(&service) < STREAMS.len() {
        thread::yield_now();
    }
    service.finish_start();
    let firsts = [
        "event: snapshot",
        r#""data":{"intro":{"durationMs":0,"views":1}}"#,
        r#""data":1}"#,
        r#""data":null}"#,
    ];
    for (stream, first) in open.iter_mut().zip(firsts) {
        read_until(stream, first);
    }
}

#[test]
fn streams_of_a_node_open_before_its_first_generation_and_begin_with_it() {
    let status = status(&Health::default());
    let service = Service::start_first_node(status.clone());
    assert_eq!(service.get("/v1/races").error(), is_error(503, "cluster_incomplete"));
    let (mut stream, received) = follow(&service, "topics=races", "\"asOf\":null}\n\n");
    assert!(received.contains("\r\nstale: the node starts\r\n"), "{received}");
    let event = "event: status\ndata: {\"stale\":\"the node starts\",\"asOf\":null}";
    assert!(received.contains(event) && !received.contains("snapshot"), "{received}");
    let mut tree = open(&service, "/project.json");
    let received = read_until(&mut tree, "\r\n\r\n");
    assert!(received.starts_with("HTTP/1.1 200") && !received.contains("data"), "{received}");
    status.lives(1);
    viewed(&service, ARRIVAL_MS, "intro");
    read_until(&mut stream, "event: snapshot\n");
    assert!(read_until(&mut tree, "\n\n").contains("\"intro\""));
}

#[test]
fn what_a_client_cannot_repeat_with_success_keeps_its_status() {
    for service in [Service::starting(without_tokens()), Service::start(without_tokens())] {
        let get = |path: &str| service.request("GET", path, &[ACCEPT], b"");
        assert_eq!(get("/v1/stream?topics=laps").error(), is_error(400, "bad_parameter"));
        assert_eq!(get("/v1/stream?topics=races&x=1").error(), is_error(400, "bad_parameter"));
        assert_eq!(get("/project.json?orderBy=x").status, 400);
        assert_eq!(get("/v1/nothing").error(), is_error(404, "not_found"));
        let put = service.request("PUT", "/v1/stream", &[ACCEPT], b"");
        assert_eq!(put.error(), is_error(405, "method_not_allowed"));
    }
    let service = Service::starting(with_tokens());
    for path in STREAMS {
        assert_eq!(service.request("GET", path, &[ACCEPT], b"").status, 401, "{path}");
    }
}

#[test]
fn over_the_streams_of_a_client_further_ones_end_until_one_is_free() {
    let one = Limits { client_streams: NonZeroUsize::MIN, ..limits() };
    let service = Service::start(Config { limits: one, ..without_tokens() });
    let (first, _) = follow(&service, "topics=stats", "snapshot");
    assert_all_end(&service, 5);
    drop(first);
    while streams(&service) > 0 {
        thread::yield_now();
    }
    follow(&service, "topics=stats", "snapshot");
}

#[test]
fn over_the_streams_of_all_clients_further_ones_end() {
    let one = Limits { connections_max: 2, ..limits() };
    let service = Service::start(Config { limits: one, ..without_tokens() });
    let _first = follow(&service, "topics=stats", "snapshot");
    assert_all_end(&service, 5);
}

#[test]
fn over_the_rate_of_requests_streams_end_and_reads_get_the_error() {
    let rate = NonZeroU32::MIN;
    let limits = Limits { client_requests_per_second: rate, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    // The rate is used up until a second has passed without a request; a busy machine needs several attempts.
    let is_limited = |path: &str, headers: &[(&str, &str)]| {
        (0..50)
            .map(|_| service.request("GET", path, headers, b""))
            .find(|answer| answer.status == 429 || answer.headers.contains_key("retry-after"))
    };
    for path in STREAMS {
        let answer = is_limited(path, &[ACCEPT]).unwrap();
        assert_eq!((answer.status, &*answer.text), (200, "retry: 1000\n"), "{path}");
    }
    let error = is_limited("/v1/races", &[ACCEPT]).unwrap().error();
    assert_eq!(error, is_error(429, "too_many_requests"));
    let answer = is_limited("/project.json", &[]).unwrap();
    assert_eq!(answer.status, 429);
    assert!(answer.json()["error"].is_string(), "{}", answer.text);
}

#[test]
fn over_the_memory_streams_end_and_reads_get_the_error() {
    let service = Service::start(without_tokens());
    service.log.set_refusing(true);
    assert_all_end(&service, 10);
    assert_eq!(service.get("/project.json").status, 503);
    service.log.set_refusing(false);
    follow(&service, "topics=stats", "snapshot");
}

#[test]
fn over_the_number_of_topics_streams_end() {
    let service = Service::start(without_tokens());
    let wake = std::sync::Arc::default();
    let topics: Vec<_> = (1..=10_000).map(|class| format!("board:{class}")).collect();
    for (client, some) in topics.chunks(16).enumerate() {
        let (client, topics) =
            (Client::Token(client as u64), Topic::parse_list(&some.join(",")).unwrap());
        service.app.streams().broker.subscribe(client, &topics, &wake).unwrap();
    }
    assert_all_end(&service, 1);
}

#[test]
fn while_the_service_stops_streams_end() {
    let service = Service::start(without_tokens());
    service.app.streams().broker.close();
    assert_all_end(&service, 1);
}

#[test]
fn errors_of_all_paths_of_the_tree_have_firebases_format() {
    let service = Service::start(with_tokens());
    for path in ["/.json", "/project.json", "/project/intro.json", "/users.json", "//x.json"] {
        for method in ["PUT", "POST", "PATCH", "DELETE"] {
            let answer = service.request(method, path, &[], b"1");
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, "GET,HEAD"),
                "{method} {path}"
            );
            assert!(answer.json()["error"].is_string(), "{method} {path}: {}", answer.text);
        }
        let denied = service.get(path);
        assert_eq!((denied.status, denied.json()["error"].is_string()), (401, true), "{path}");
    }
    // These are not paths of the tree.
    for (path, status, code) in [
        ("/v1/projects/a.json", 401, "unauthorized"),
        ("/openapi.json", 401, "unauthorized"),
        ("/users", 404, "not_found"),
    ] {
        assert_eq!(service.get(path).error(), is_error(status, code), "{path}");
    }
}
