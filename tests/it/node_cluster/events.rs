//! Streams of events, and clients that send them to the nodes of a cluster.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::Value;
use ureq::Agent;

use super::NodeCluster;
use crate::golden::alleycat;
use crate::serving::wait_for;

/// How long a client waits for a reply before it tries another node.
const REPLY_TIME_MAX: Duration = Duration::from_secs(2);

/// Clients that send at the same time.
pub(crate) const CLIENTS: usize = 4;

/// The events of the sample data, and 3,000 views, in random order.
pub(crate) fn golden(random: &mut Pcg64) -> Vec<String> {
    let mut text = String::new();
    let file = fs::File::open(alleycat().join("events.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    shuffled(text.lines().map(str::to_owned).chain(views(3_000)).collect(), random)
}

/// Events of a few races and racers, in random order: samples that are sent again or differ, final samples, names, and
/// views.
pub(crate) fn random(count: usize, random: &mut Pcg64) -> Vec<String> {
    let sample = |random: &mut Pcg64| {
        let (class, racer) = (random.random_range(1..=3), random.random_range(0..40_u32));
        let (race, second) = (class * 10 + random.random_range(0..2), random.random_range(1..=300));
        let (cadence, resistance) = (random.random_range(40..110), random.random_range(0..999));
        let event = if random.random_ratio(1, 50) { "final" } else { "update" };
        let name = match racer % 5 {
            0 => format!(r#","name":"Racer {racer}""#),
            _ => String::new(),
        };
        format!(
            r#"{{"event":"{event}","deviceTimestamp":1620240001114,"raceId":{race},"classId":{class},"racerId":{racer},"second":{second},"cadence":{cadence},"resistance":{resistance}.5{name}}}"#
        )
    };
    let samples: Vec<_> = (0..count).map(|_| sample(random)).collect();
    shuffled(samples.into_iter().chain(views(count / 10)).collect(), random)
}

/// Views of seven projects. The last of ten views is a duplicate of the ninth.
fn views(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|view| {
        let uuid = view - view % 10 / 9;
        let (project, kind) = (uuid % 7, if uuid.is_multiple_of(3) { "view" } else { "watch" });
        format!(
            r#"{{"event":"{kind}","uuid":"{uuid}","projectId":"p{project}","durationMs":{uuid},"deviceTimestamp":1620240001114}}"#
        )
    })
}

fn shuffled(mut events: Vec<String>, random: &mut Pcg64) -> Vec<String> {
    for at in (1..events.len()).rev() {
        events.swap(at, random.random_range(0..=at));
    }
    events
}

/// Sends all events to random nodes, in batches of random size. Some batches are sent to another node too.
pub(crate) fn send(cluster: &NodeCluster, events: &[String], random: &mut Pcg64) {
    let urls: Vec<_> = (0..cluster.options.nodes).map(|node| cluster.url(node)).collect();
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        for lines in events.chunks(events.len().div_ceil(CLIENTS)) {
            let mut random = Pcg64::seed_from_u64(random.next_u64());
            let (urls, acknowledged) = (&urls, &acknowledged);
            scope.spawn(move || send_lines(lines, urls, acknowledged, &mut random, Duration::ZERO));
        }
    });
    assert_eq!(acknowledged.into_inner(), events.len());
}

/// Sends lines to random nodes, and each batch again, at any node, until one acknowledges it. Pauses after each batch for
/// a random time up to `pause`.
pub(crate) fn send_lines(
    mut lines: &[String],
    urls: &[String],
    acknowledged: &AtomicUsize,
    random: &mut Pcg64,
    pause: Duration,
) {
    while !lines.is_empty() {
        let (batch, rest) = lines.split_at(random.random_range(1..=400).min(lines.len()));
        lines = rest;
        let body = batch.join("\n");
        let sends = if random.random_ratio(1, 10) { 2 } else { 1 };
        for _ in 0..sends {
            wait_for("a batch is acknowledged", || {
                match post_within(&urls[random.random_range(0..urls.len())], &body, REPLY_TIME_MAX)
                {
                    Ok((200, answer)) => {
                        assert_eq!(answer["accepted"], batch.len(), "{answer}");
                        true
                    }
                    Ok((503 | 429, _)) | Err(_) => false,
                    Ok((status, answer)) => panic!("{status}: {answer}"),
                }
            });
        }
        acknowledged.fetch_add(batch.len(), Ordering::Relaxed);
        thread::sleep(pause.mul_f64(random.random()));
    }
}

/// Posts lines, and waits for the reply. Returns status and JSON, or why there is no reply in time.
pub(crate) fn post_within(
    url: &str,
    lines: &str,
    time_max: Duration,
) -> Result<(u16, Value), ureq::Error> {
    let config = Agent::config_builder().http_status_as_error(false);
    let agent: Agent = config.timeout_global(Some(time_max)).build().into();
    let request = agent.post(format!("{url}/v1/events"));
    let mut answer = request.header("content-type", "application/x-ndjson").send(lines)?;
    let text = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
