//! Hub, broker and subscriptions over a fake engine, with ticks and time under the test's control.

mod lifecycle;
mod model;
mod pacing;
mod race_frames;
mod resuming;
mod service_frames;
mod topic;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use velodrome_dataflows::{EventTime, Output, RideKey, Stage, Standing, ViewCount};

use super::broker::Broker;
use super::event_id::EventIds;
use super::hub::Hub;
use super::stale_notice::StaleNotice;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::live_state::LiveChange;
use crate::rebuild_requests::RebuildRequests;
use crate::serve::ack_latency::AckLatency;
use crate::serve::client::Client;
use crate::serve::reads::fake_engine::FakeEngine;

/// A client that has no other stream.
const CLIENT: Client = Client::Token(u64::MAX);

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(10);

/// Hub and broker over a [`FakeEngine`], whose time 5,000 is complete.
struct Bench {
    fake: FakeEngine,
    broker: Arc<Broker>,
    ack_latency: Arc<AckLatency>,
    rebuilds: RebuildRequests,
    hub: Hub<fn() -> Duration>,
}

/// What a client received in one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Received {
    Event {
        id: Option<String>,
        event: String,
        data: Value,
    },
    /// A chunk without an event, such as a keep-alive.
    Other(String),
}

impl Bench {
    fn new() -> Self {
        let (fake, broker) = (FakeEngine::new(), Arc::new(Broker::new(0xe)));
        let reads = fake.reads();
        let lag: fn() -> Duration = || Duration::from_millis(7);
        let (ack_latency, rebuilds) = (Arc::new(AckLatency::new()), RebuildRequests::default());
        let hub = Hub::new(
            Arc::clone(&broker),
            fake.engine(),
            reads,
            lag,
            Arc::clone(&ack_latency),
            rebuilds.clone(),
        );
        Self { fake, broker, ack_latency, rebuilds, hub }
    }

    /// The notice of a single process.
    fn no_notice(&self) -> StaleNotice {
        StaleNotice::new(None, &self.fake.engine())
    }

    /// A new client, which has received nothing yet.
    fn subscribe(&self, topics: &str, last_id: Option<&str>) -> Subscription {
        let topics = Topic::parse_list(topics).unwrap();
        let last_id = last_id.map(|id| complete_id(id, &topics));
        let last_id = last_id.as_deref();
        let client = Client::Token(self.broker.streams() as u64);
        Subscription::new(Arc::clone(&self.broker), client, topics, last_id, None, self.no_notice())
            .unwrap()
    }

    /// A new client that has received its snapshots.
    async fn subscribed(&mut self, topics: &str) -> Subscription {
        let mut client = self.subscribe(topics, None);
        let mut received = receive(&mut client);
        self.hub.publish().await;
        received.append(&mut receive(&mut client));
        assert!(received.len() > 1, "{received:?}");
        client
    }

    /// Applies the changes of a tick, and publishes them.
    async fn tick(&mut self, time: EventTime, changes: Vec<LiveChange>) -> Instant {
        tokio::time::advance(TICK).await;
        self.fake.tick(time, changes);
        self.hub.publish().await
    }
}

/// All chunks that are ready for a client.
fn receive(client: &mut Subscription) -> Vec<Received> {
    std::iter::from_fn(|| receive_one(client)).collect()
}

fn receive_one(client: &mut Subscription) -> Option<Received> {
    let mut text = String::new();
    // An id is a chunk of its own, before its event.
    while text.is_empty() || text.starts_with("id: ") && !text.ends_with("\n\n") {
        let chunk = client.next_chunk().now_or_never().flatten()?;
        text.push_str(str::from_utf8(&chunk).unwrap());
    }
    Some(Received::parse(&text))
}

/// The id of a run and a position, such as `e-5010`, of streams of `topics`. Other texts stay as they are.
fn complete_id(id: &str, topics: &[Topic]) -> String {
    let Some((epoch, position)) = id.split_once('-') else { return id.to_owned() };
    let Ok(epoch) = u64::from_str_radix(epoch, 16) else { return id.to_owned() };
    EventIds::new(epoch, topics).at(0).trim_end_matches('0').to_owned() + position
}

/// The run and the position of an id, without its topics.
fn short_id(id: &str) -> String {
    let parts: Vec<_> = id.split('-').collect();
    let [epoch, _, position] = parts[..] else { panic!("{id}") };
    format!("{epoch}-{position}")
}

impl Received {
    fn parse(text: &str) -> Self {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        match (field("event: "), field("data: ")) {
            (Some(event), Some(data)) => {
                let lines = text.lines().count();
                assert!(text.ends_with("\n\n") && (3..=4).contains(&lines), "{text}");
                let data = serde_json::from_str(data).unwrap();
                let id = field("id: ").map(short_id);
                Self::Event { id, event: event.to_owned(), data }
            }
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Its id, the name of its event, and the time of its data.
    fn head(&self) -> (Option<&str>, &str, u64) {
        match self {
            Self::Event { id, event, data } => {
                (id.as_deref(), event, data["asOf"].as_u64().unwrap())
            }
            Self::Other(text) => (None, text, 0),
        }
    }

    fn data(&self) -> &Value {
        match self {
            Self::Event { data, .. } => data,
            Self::Other(text) => panic!("{text}"),
        }
    }
}

fn heads(received: &[Received]) -> Vec<(Option<&str>, &str, u64)> {
    received.iter().map(Received::head).collect()
}

/// A new standing in race 9 of class 2, which is running, or in another race that began at the same
/// time.
fn running(ride: RideKey, second: u16, output: f64) -> LiveChange {
    let name = Some("Al".into());
    let standing = Standing { second, output: Output(output), name, started_at: 2_000 };
    LiveChange::Stage(ride, Stage::Running(standing, Vec::new()))
}

fn finished(ride: RideKey) -> LiveChange {
    LiveChange::Stage(ride, Stage::Finished { started_at: 2_000 })
}

fn viewed(project: &str, views: u64, duration_ms: u64) -> LiveChange {
    LiveChange::Views(project.into(), ViewCount { views, duration_ms })
}

/// Runs a tick with a changed standing at each of `times`.
async fn run_ticks(bench: &mut Bench, times: impl IntoIterator<Item = EventTime>) {
    for time in times {
        bench.tick(time, vec![running((2, 9, 12), 1, time as f64)]).await;
    }
}

/// The event names and data of a topic: first its snapshot, then what each tick adds.
async fn frames(topic: &str, ticks: Vec<Vec<LiveChange>>) -> Vec<(String, Value)> {
    let mut bench = Bench::new();
    let mut client = bench.subscribe(topic, None);
    receive(&mut client);
    bench.hub.publish().await;
    let mut all = receive(&mut client);
    for (time, changes) in (5_010..).step_by(10).zip(ticks) {
        bench.tick(time, changes).await;
        all.append(&mut receive(&mut client));
    }
    let parts = |received: Received| match received {
        Received::Event { event, data, .. } => (event, data),
        Received::Other(text) => panic!("{text}"),
    };
    all.into_iter().map(parts).collect()
}
