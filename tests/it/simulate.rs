//! `simulate`: files, and the report of a load test and its exit status.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command};

use axum::Router;
use axum::routing::{get, post};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::run::{Exit, Workplace};

/// A fake service that accepts every line and shows every racer at `second`.
struct Service {
    address: SocketAddr,
    runtime: Runtime,
    posted: UnboundedReceiver<()>,
}

impl Service {
    fn start(second: u16) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, posted) = unbounded_channel();
        let accept = async move |body: String| {
            sender.send(()).unwrap_or_default();
            json!({"accepted": body.lines().count(), "rejected": [], "token": "t"}).to_string()
        };
        let show = async move |uri: axum::http::Uri| {
            let racer = uri.query().unwrap().split(['=', '&']).nth(1).unwrap().to_owned();
            format!(r#"{{"rows":[{{"racerId":{racer},"second":{second}}}]}}"#)
        };
        let router = Router::new()
            .route("/v1/events", post(accept))
            .route("/v1/races/{class}/{race}/standings", get(show));
        runtime.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, runtime, posted }
    }
}

#[test]
fn a_name_of_gzip_is_a_file_with_the_same_lines() {
    let place = Workplace::new();
    let simulate = "simulate --hours 0.1 --racers 20 --concurrent 10";
    for out in ["a.jsonl", "a.jsonl.gz", "b.gz"] {
        let ended = place.run(&format!("{simulate} --out {out}"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("to '{out}'")), "{}", ended.stderr);
    }
    let mut text = String::new();
    let gzip = std::fs::File::open(place.path("a.jsonl.gz")).unwrap();
    GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
    assert!(text == std::fs::read_to_string(place.path("a.jsonl")).unwrap());
    assert!(
        std::fs::read(place.path("b.gz")).unwrap()
            == std::fs::read(place.path("a.jsonl.gz")).unwrap()
    );
}

const RACE: &str = "--hours 0.01 --concurrent 10 --rate max";

#[test]
fn a_load_test_prints_its_report_as_text_or_json() {
    let (service, place) = (Service::start(300), Workplace::new());
    let to = format!("simulate --to http://{} {RACE}", service.address);
    let Exit { code, stdout, stderr } = place.run(&to);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("events "), "{stdout}");
    let ended = place.run(&format!("{to} --json"));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(report["events"].as_u64() > Some(3_000), "{report}");
    assert_eq!((&report["rejected"], &report["stale"]), (&json!(0), &json!(0)));
}

#[test]
fn the_status_is_1_if_acknowledged_events_are_not_shown() {
    let (service, place) = (Service::start(0), Workplace::new());
    let ended = place.run(&format!("simulate --to http://{} {RACE} --json", service.address));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(report["stale"].as_u64() > Some(0), "{report}");
}

#[test]
fn both_signals_end_a_load_test_with_its_report() {
    for signal in ["-INT", "-TERM"] {
        let (mut service, place) = (Service::start(300), Workplace::new());
        // An hour in real time.
        let to = format!("simulate --to http://{} --concurrent 100 --json", service.address);
        let mut child: Child = place.spawn(&to);
        service.runtime.block_on(service.posted.recv()).unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert!(report["events"].as_u64() > Some(0), "{report}");
    }
}

#[test]
fn rejects_options_that_do_not_apply_to_the_target() {
    let place = Workplace::new();
    for (arguments, part) in [
        ("", "--out <PATH>|--to <URL>"),
        ("--out a.jsonl --to http://localhost", "'--to <URL>'"),
        ("--out a.jsonl --rate max", "'--rate <RATE>'"),
        ("--out a.jsonl --connections 2", "'--connections <N>'"),
        ("--out a.jsonl --batch 2", "'--batch <N>'"),
        ("--out a.jsonl --json", "'--json'"),
        ("--to https://localhost", "'https://localhost' is not the address of a service"),
        ("--to http://localhost --rate fast", "'fast' is not a rate"),
    ] {
        let ended = place.run(&format!("simulate {arguments}"));
        assert_eq!(ended.code, 2, "{arguments}");
        assert!(ended.stderr.contains(part), "{arguments}: {}", ended.stderr);
    }
    assert!(!place.path("a.jsonl").exists());
}
