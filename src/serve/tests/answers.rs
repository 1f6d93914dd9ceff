//! Large answers that clients do not read.

use std::time::Instant;

use velodrome_dataflows::ViewCount;

use super::*;
use crate::live_state::LiveChange;

/// A request for the counts of all projects.
const GET: &[u8] = b"GET /project.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// The number of projects: their counts are 4 MB, more than the kernel buffers for a connection.
const PROJECTS: usize = 80_000;

/// Applies a view of `projects` projects at a tick.
fn view(service: &Service, time: EventTime, projects: usize) {
    let count = ViewCount { views: 1, duration_ms: 1_000_000_000 };
    let view = |id| LiveChange::Views(format!("project-{id}").into(), count);
    service.live_state.apply(time, (0..projects).map(view).collect());
}

#[test]
fn clients_that_do_not_read_make_others_wait_and_not_the_memory_grow() {
    let limits = Limits { answers_bytes_max: 7 << 20, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    view(&service, 1, PROJECTS);
    // All of them share one rendering.
    let unread = (0..30).map(|_| {
        let mut stream = service.connect();
        stream.write_all(GET).unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        stream
    });
    let unread: Vec<_> = unread.collect();
    assert_eq!(service.get("/.json?shallow=true").status, 200);
    // Another version does not fit.
    view(&service, 2, 1);
    let answer = service.get("/project.json");
    assert_eq!(answer.status, 503);
    assert!(answer.json()["error"].as_str().unwrap().contains("wait for clients"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(service.get("/project/project-1.json").status, 200);
    drop(unread);
    let until = Instant::now() + Duration::from_secs(20);
    while service.get("/project.json").status != 200 {
        assert!(Instant::now() < until, "the answers are still counted");
    }
}

#[test]
fn a_client_that_reads_too_slowly_is_cut_off() {
    let limits = Limits { answer_timeout: Duration::ZERO, ..limits() };
    let service = Service::start(Config { limits, ..without_tokens() });
    view(&service, 1, 1_000);
    assert!(!service.exchange(GET).ends_with('}'));
    // A short answer is sent at once.
    assert_eq!(service.get("/project/project-1.json").status, 200);
}
