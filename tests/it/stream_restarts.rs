//! Event sources of a service that is killed and recovers for seconds, that stops, and that has no free stream.
//! `EventSource` never reconnects after a status other than 200.

use std::fmt::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::{Workplace, view};
use crate::serving::{ServiceProcess, get, wait_for};
use crate::stream_clients::StreamClient;

/// Views that a slow machine needs seconds to recover.
const VIEWS: u64 = 180_000;
/// Views in a request, of at most 8 MiB.
const VIEWS_PER_POST: u64 = 60_000;

/// Makes a process more than ten times slower until it is dropped.
struct SlowDown {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowDown {
    fn new(serving: &ServiceProcess) -> Self {
        let (id, is_over) = (serving.id().to_string(), Arc::<AtomicBool>::default());
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let send = |signal: &str| Command::new("kill").args([signal, &*id]).status().unwrap();
            while !ends.load(Ordering::Relaxed) {
                send("-STOP");
                thread::sleep(Duration::from_millis(150));
                send("-CONT");
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for SlowDown {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|ended| ended.is_ok()) || thread::panicking());
    }
}

/// The value of a metric, which a service that starts has too; 0 if it is absent.
fn metric(serving: &ServiceProcess, name: &str) -> u64 {
    let (_, metrics) = get(&format!("{}/metrics", serving.url));
    let lines = metrics.as_str().unwrap_or_default().lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map_or(0, |value| value.parse().unwrap())
}

fn is_starting(serving: &ServiceProcess) -> bool {
    get(&format!("{}/v1/projects/p", serving.url)).1["error"]["code"] == "starting"
}

fn post_views(serving: &ServiceProcess) {
    for first in (0..VIEWS).step_by(VIEWS_PER_POST as usize) {
        let mut lines = String::new();
        for uuid in first..first + VIEWS_PER_POST {
            writeln!(lines, "{}", view(1, &uuid.to_string())).unwrap();
        }
        serving.post(&lines);
    }
}

/// Starts it on the address of a service that has ended.
fn restart(place: &Workplace, url: &str) -> ServiceProcess {
    let address = url.strip_prefix("http://").unwrap();
    ServiceProcess::start_unready(&place.path("data"), &format!("--listen {address}"))
}

#[test]
fn event_sources_wait_for_a_recovery_and_come_back_after_a_stop() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "--client-rate 10000000");
    let url = serving.url.clone();
    post_views(&serving);
    let topics = StreamClient::event_source(&format!("{url}/v1/stream?topics=views:p,races"));
    let path = "/project/p/views.json";
    let tree = StreamClient::firebase(&format!("{url}{path}"));
    let both_have = |views: u64| {
        topics.wait_for("views:p", |state| state["rows"][0]["views"] == views);
        tree.wait_for(path, |state| state["value"] == views);
    };
    both_have(VIEWS);

    serving.kill();
    let received = [&topics, &tree].map(|client| client.received().events.len());
    let serving = restart(&place, &url);
    let slow_down = SlowDown::new(&serving);
    wait_for("both streams are open", || metric(&serving, "velodrome_streams") == 2);
    assert!(is_starting(&serving), "the recovery is too short for this test");
    let silent = [&topics, &tree].map(|client| client.received().events.len());
    assert_eq!(silent, received);
    drop(slow_down);
    let serving = serving.ready();
    both_have(VIEWS);
    let firsts = [(&topics, "snapshot"), (&tree, "put")];
    for ((client, expected), received) in firsts.into_iter().zip(received) {
        wait_for("what follows the kill arrives", || client.received().events.len() > received);
        assert_eq!(client.received().events[received], expected);
    }
    serving.post(&view(1, "after the kill"));
    both_have(VIEWS + 1);

    assert_eq!(serving.stop(), 0);
    let serving = restart(&place, &url).ready();
    serving.post(&view(1, "after the stop"));
    both_have(VIEWS + 2);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn event_sources_over_the_number_of_streams_wait_for_a_free_one() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "--client-streams 1");
    let refused =
        || metric(&serving, r#"velodrome_streams_refused_total{reason="too_many_requests"}"#);
    let open = |topic: &str| {
        StreamClient::event_source(&format!("{}/v1/stream?topics={topic}", serving.url))
    };
    let first = open("races");
    first.wait_for("races", Value::is_object);
    let second = open("views:p");
    wait_for("the second stream is refused", || refused() == 1);
    first.end();
    second.wait_for("views:p", Value::is_object);

    let path = "/project/p.json";
    let tree = StreamClient::firebase(&format!("{}{path}", serving.url));
    let admin = StreamClient::firebase_admin(&serving.url, "/project/p");
    wait_for("both streams are refused", || refused() >= 3);
    second.end();
    serving.post(&view(1, "a"));
    let value = json!({"durationMs": 10, "views": 1});
    // Each waits for the other.
    let mut waiting = vec![("/project/p", admin), (path, tree)];
    while !waiting.is_empty() {
        let mut open = None;
        wait_for("one of them has a stream", || {
            open = waiting.iter().position(|(path, client)| client.has(path, &value));
            open.is_some()
        });
        drop(waiting.swap_remove(open.unwrap()));
    }
    assert_eq!(serving.stop(), 0);
}
