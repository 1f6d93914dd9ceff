//! Complete load tests against a fake service.

mod fake;

use std::collections::HashMap;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::response::IntoResponse;
use serde_json::json;
use tokio::sync::watch;

use super::super::parameters::Parameters;
use super::super::workload::Workload;
use super::run::run_with_timeout;
use super::*;
use fake::{Call, Fake, accept_all, answer, standings};

/// A race of 12 riders: about 3,800 lines.
pub(super) fn small() -> Workload {
    let small = Parameters { hours: 0.01, racers: 100, concurrent: 12, ..Parameters::DEFAULT };
    Workload::new(small).unwrap()
}

fn simulated(workload: Workload) -> EventSource {
    EventSource::Simulated(workload)
}

pub(super) fn config_for(to: &str) -> LoadTest {
    LoadTest {
        target: Target::Service { urls: vec![to.to_owned()], token: None },
        rate: Rate::Max,
        connections: NonZeroUsize::new(3).unwrap(),
        batch: NonZeroUsize::new(100).unwrap(),
        is_probed: true,
    }
}

fn run_small(config: &LoadTest) -> Result<Report, LoadTestError> {
    run(&simulated(small()), config, &watch::channel(false).1, |_| ())
}

/// The number of times that each line was sent.
fn sent(posts: &[Call]) -> HashMap<&[u8], usize> {
    let mut lines = HashMap::new();
    for line in posts.iter().flat_map(Call::lines) {
        *lines.entry(line).or_default() += 1;
    }
    lines
}

/// The number of times that each line is in the small workload.
fn expected(text: &[u8]) -> HashMap<&[u8], usize> {
    let mut lines = HashMap::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        *lines.entry(line).or_default() += 1;
    }
    lines
}

fn text() -> Vec<u8> {
    small().race_batches(0).flat_map(|batch| batch.text().to_vec()).collect()
}

#[test]
fn every_line_is_posted_once_and_one_batch_in_16_is_probed() {
    let fake = Fake::start(|_, call| accept_all(call));
    let target =
        Target::Service { urls: vec![fake.address.clone()], token: Some("secret".to_owned()) };
    let config = LoadTest { target, ..config_for("") };
    let report = run_small(&config).unwrap();

    let posts = fake.posts();
    assert_eq!(sent(&posts), expected(&text()));
    let lines: usize = posts.iter().map(|post| post.lines().count()).sum();
    assert_eq!((report.events, report.batches), (lines as u64, posts.len() as u64));
    assert!(posts.iter().all(|post| post.lines().count() <= 100));
    assert!(posts.iter().all(|post| post.headers["content-type"] == "application/x-ndjson"));
    let calls = fake.calls();
    assert!(calls.iter().all(|call| call.headers["authorization"] == "Bearer secret"));
    let probes = (calls.len() - posts.len()) as u64;
    assert_eq!((report.probes, report.stale, report.resent), (probes, 0, 0));
    // Each connection probes its first batch.
    assert!((report.batches / 16..=report.batches / 16 + 3).contains(&probes), "{probes}");
    let latency = report.acknowledged_ms.unwrap();
    assert!(latency.p50 > 0.0 && report.visible_ms.unwrap().max >= latency.p50, "{report:?}");
    assert_eq!(report.lag_ms_max, None);
}

#[test]
fn a_probe_reads_standings_around_a_racer_of_the_batch_after_its_token() {
    let fake = Fake::start(|_, call| accept_all(call));
    let config = LoadTest { connections: NonZeroUsize::MIN, ..config_for(&fake.address) };
    run_small(&config).unwrap();
    let calls = fake.calls();
    let event: serde_json::Value =
        calls[0].lines().map(|line| serde_json::from_slice(line).unwrap()).next().unwrap();
    let (class, race, racer) = (&event["classId"], &event["raceId"], &event["racerId"]);
    assert_eq!(
        calls[1].what,
        format!(
            "GET /v1/races/{class}/{race}/standings?around={racer}&window=1&after=a%20token%2B%2F%3D"
        )
    );
}

#[test]
fn an_acknowledged_event_that_is_not_shown_counts_as_stale() {
    let no_rows = |call: &Call| match call.is_post() {
        true => accept_all(call),
        false => answer(200, &json!({"rows": []})),
    };
    let unknown_race = |call: &Call| match call.is_post() {
        true => accept_all(call),
        false => answer(404, &json!({"error": {"code": "not_found", "message": "no such race"}})),
    };
    let second_0 = |call: &Call| match call.is_post() {
        true => accept_all(call),
        false => standings(call, 0),
    };
    for respond in [no_rows, unknown_race, second_0] {
        let fake = Fake::start(move |_, call| respond(call));
        let report = run_small(&config_for(&fake.address)).unwrap();
        assert!(report.stale > 0, "{report:?}");
        assert_eq!(report.stale, report.probes);
    }
}

#[test]
fn events_are_posted_when_they_arrive_and_each_batch_is_probed() {
    let fake = Fake::start(|_, call| accept_all(call));
    let (workload, factor) = (small(), 200.0);
    let config = LoadTest { rate: Rate::Factor(factor), ..config_for(&fake.address) };
    let begin = Instant::now();
    let report = run_small(&config).unwrap();

    let start_ms = workload.parameters.start_ms;
    let batches: Vec<_> = workload.race_batches(0).collect();
    let lines = batches.iter().flat_map(|batch| batch.lines());
    // The first arrival of a line that is sent twice.
    let mut arrivals: HashMap<_, u64> = HashMap::new();
    for line in lines {
        arrivals.entry(line.bytes).or_insert(line.arrival_ms - start_ms);
    }
    let posts = fake.posts();
    assert_eq!(sent(&posts), expected(&text()));
    for post in &posts {
        let after_ms = (post.at - begin).as_secs_f64() * 1e3;
        for line in post.lines() {
            let due_ms = arrivals[line] as f64 / factor;
            assert!(after_ms >= due_ms, "after {after_ms} ms instead of {due_ms} ms");
        }
    }
    assert!(report.wall_seconds >= 1.5, "{report:?}");
    // All batches were sent long before the timeout of 60 s.
    assert!(report.wall_seconds < 30.0 && report.lag_ms_max.is_some(), "{report:?}");
    assert!(report.probes > report.batches / 16 + 3, "{report:?}");
}

#[test]
fn a_slow_service_makes_the_load_test_lag_behind_its_schedule() {
    // 300 s of racing in 3 ms: too fast for one connection.
    let fake = Fake::start(|_, call| accept_all(call));
    let config = LoadTest {
        rate: Rate::Factor(100_000.0),
        connections: NonZeroUsize::MIN,
        ..config_for(&fake.address)
    };
    let report = run_small(&config).unwrap();
    let last_due_ms = 20.0;
    let lag_ms = report.lag_ms_max.unwrap();
    assert!(lag_ms > 0.0 && lag_ms <= report.wall_seconds * 1e3 - last_due_ms, "{report:?}");
}

#[test]
fn temporary_failures_are_retried_and_nothing_is_lost() {
    // The fourth attempt of the first post succeeds, and so does the second attempt of its probe.
    let fake = Fake::start(|number, call| {
        let busy = json!({"error": {"code": "busy", "message": "come again"}});
        match [429, 503, 507, 200, 504].get(number) {
            Some(&status) if status != 200 => answer(status, &busy),
            _ => accept_all(call),
        }
    });
    let config = LoadTest { connections: NonZeroUsize::MIN, ..config_for(&fake.address) };
    let report = run_small(&config).unwrap();
    let posts = fake.posts();
    assert!(posts[..4].iter().all(|post| post.body == posts[0].body));
    assert_eq!(sent(&posts[3..]), expected(&text()));
    assert_eq!(report.batches, posts.len() as u64 - 3);
    assert_eq!((report.resent, report.throttled, report.stale), (3, 1, 0));
}

#[test]
fn a_request_that_fails_at_one_node_is_sent_again_to_the_next() {
    let is_unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nodes = [(); 2].map(|()| Fake::start(|_, call| accept_all(call)));
    let urls = [format!("http://{is_unused}"), nodes[0].address.clone(), nodes[1].address.clone()];
    let target = Target::Service { urls: urls.to_vec(), token: None };
    let report = run_small(&LoadTest { target, ..config_for("") }).unwrap();
    // One of the three connections starts at the address that is unused.
    assert_eq!((report.resent, report.stale), (1, 0), "{report:?}");
    assert!(nodes.iter().all(|node| !node.posts().is_empty()));
    let posts: Vec<_> = nodes.iter().flat_map(Fake::posts).collect();
    assert_eq!(sent(&posts), expected(&text()));
}

#[test]
fn a_batch_waits_as_long_as_the_service_requests() {
    let fake = Fake::start(|number, call| match number {
        0 => {
            let busy = answer(503, &json!({"error": {"code": "busy", "message": "come again"}}));
            ([("retry-after", "1")], busy).into_response()
        }
        _ => accept_all(call),
    });
    let config = LoadTest { connections: NonZeroUsize::MIN, ..config_for(&fake.address) };
    let report = run_small(&config).unwrap();
    let posts = fake.posts();
    assert_eq!(posts[0].body, posts[1].body);
    assert!(posts[1].at - posts[0].at >= Duration::from_secs(1));
    assert_eq!(report.resent, 1);
    assert!(report.acknowledged_ms.unwrap().max >= 1_000.0, "the wait is part of the latency");
}

#[test]
fn a_load_test_waits_for_a_service_that_has_not_started_yet() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let fake = OnceLock::new();
    let start = || Fake::start_at(&free, |_, call| accept_all(call));
    let report = run(
        &simulated(small()),
        &config_for(&format!("http://{free}")),
        &watch::channel(false).1,
        |_| _ = fake.get_or_init(start),
    );
    let report = report.unwrap();
    assert_eq!(report.events, expected(&text()).values().sum::<usize>() as u64);
    assert!(report.resent > 0, "{report:?}");
}

#[test]
fn a_service_that_acknowledges_nothing_fails_the_load_test_with_its_reason() {
    let fake = Fake::start(|_, _| {
        answer(503, &json!({"error": {"code": "catching_up", "message": "catching up"}}))
    });
    let (config, silence_timeout) = (config_for(&fake.address), Duration::from_millis(100));
    let never = watch::channel(false).1;
    let error = run_with_timeout(&simulated(small()), &config, silence_timeout, &never, |_| ())
        .unwrap_err()
        .to_string();
    let address = &fake.address;
    assert_eq!(
        error,
        format!(
            "'{address}' acknowledged nothing for 0 s: '{address}/v1/events' answered 503: catching up"
        )
    );
}

#[test]
fn a_permanent_failure_ends_the_load_test_at_once() {
    for (status, body, part) in [
        (
            401,
            r#"{"error": {"code": "unauthorized", "message": "no such token"}}"#,
            "401: no such token",
        ),
        (413, "too large", "413: too large"),
        (200, "<html>", "is it a velodrome service?"),
        (301, "", "answered 301: "),
    ] {
        let fake = Fake::start(move |_, _| {
            (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response()
        });
        let error = run_small(&config_for(&fake.address)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("'{}/v1/events' ", fake.address)), "{error}");
        assert!(error.contains(part), "{error}");
        // At most one call of each connection.
        assert!(fake.calls().len() <= 3);
    }
}

#[test]
fn rejected_lines_are_counted_and_not_probed() {
    let fake = Fake::start(|_, call| {
        let rejected = json!([{"index": 0, "error": "no such class"}]);
        let accepted = call.lines().count() - 1;
        answer(200, &json!({"accepted": accepted, "rejected": rejected, "token": "t"}))
    });
    let report = run_small(&config_for(&fake.address)).unwrap();
    assert_eq!((report.rejected, report.probes), (report.batches, 0));
    assert_eq!(report.rejection.as_deref(), Some("no such class"));
}

#[test]
fn a_stopped_load_test_reports_what_was_acknowledged() {
    let (stopper, stop) = watch::channel(false);
    let fake = Fake::start(move |number, call| {
        if number == 10 {
            stopper.send_replace(true);
        }
        accept_all(call)
    });
    // Days of racing: only a stop ends it.
    let long = Workload::new(Parameters { hours: 1_000.0, ..Parameters::DEFAULT }).unwrap();
    let report = run(&simulated(long), &config_for(&fake.address), &stop, |_| ()).unwrap();
    assert_eq!(report.batches, fake.posts().len() as u64);
    assert!(report.batches < 20, "{report:?}");
}

#[test]
fn a_stop_ends_waits_for_the_schedule_and_for_a_busy_service() {
    let (stopper, stop) = watch::channel(false);
    let fake = Fake::start(|_, _| {
        let busy = answer(503, &json!({"error": {"code": "busy", "message": "come again"}}));
        ([("retry-after", "3600")], busy).into_response()
    });
    // Some connections wait to retry, the others for their next batch, which is due much later.
    let config = LoadTest { rate: Rate::Factor(1.0), ..config_for(&fake.address) };
    let report = run(&simulated(small()), &config, &stop, |_| {
        if !fake.calls().is_empty() {
            stopper.send_replace(true);
        }
    });
    assert_eq!(report.unwrap().events, 0);
}

#[test]
fn rejects_too_many_connections() {
    let config =
        LoadTest { connections: NonZeroUsize::new(1_001).unwrap(), ..config_for("http://host") };
    let error = run_small(&config).unwrap_err().to_string();
    assert_eq!(error, "connections must be 1 to 1000, not '1001'");
}
