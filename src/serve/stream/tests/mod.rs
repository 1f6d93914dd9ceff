//! Tests of hub and clients over a fake engine with fixed data. The test controls ticks and time.

mod clients;
mod model;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use velodrome_dataflows::{EventTime, Output, RideKey, Stage, Standing};

use super::channels::Channels;
use super::hub::Hub;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::live_state::LiveChange;
use crate::rebuild_requests::RebuildRequests;
use crate::serve::ack_latency::AckLatency;
use crate::serve::reads::ReadState;
use crate::serve::reads::fake_engine::FakeEngine;

/// Time between two ticks.
const TICK: Duration = Duration::from_millis(10);

/// Hub and channels over a [`FakeEngine`] that is complete up to time 5,000.
struct Bench {
    fake: FakeEngine,
    channels: Arc<Channels>,
    ack_latency: Arc<AckLatency>,
    rebuilds: RebuildRequests,
    hub: Hub<fn() -> Duration>,
}

/// A chunk of a stream: a server-sent event or other text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Event { id: Option<String>, event: String, data: Value },
    Other(String),
}

impl Bench {
    fn new() -> Self {
        let (fake, channels) = (FakeEngine::new(), Arc::new(Channels::new(0xe)));
        let reads = ReadState::new(fake.engine());
        let lag: fn() -> Duration = || Duration::from_millis(7);
        let ack_latency = Arc::new(AckLatency::new());
        let (engine, rebuilds) = (fake.engine(), RebuildRequests::default());
        let figures = (lag, Arc::clone(&ack_latency), rebuilds.clone());
        let hub = Hub::new(Arc::clone(&channels), engine, reads, figures.0, figures.1, figures.2);
        Self { fake, channels, ack_latency, rebuilds, hub }
    }

    fn follow(&self, topics: &str, last: Option<&str>) -> Subscription {
        let topics = Topic::list(topics).unwrap();
        Subscription::new(Arc::clone(&self.channels), topics, last, None).unwrap()
    }

    /// Returns a client that has received its first snapshots.
    async fn followed(&mut self, topics: &str) -> Subscription {
        let mut client = self.follow(topics, None);
        let mut sent = take(&mut client);
        self.hub.tick().await;
        sent.append(&mut take(&mut client));
        assert!(sent.len() > 1, "{sent:?}");
        client
    }

    /// Applies `changes` at `time`, runs the hub, and returns when the hub wants to run next.
    async fn tick(&mut self, time: EventTime, changes: Vec<LiveChange>) -> Instant {
        tokio::time::advance(TICK).await;
        self.fake.tick(time, changes);
        self.hub.tick().await
    }
}

/// Returns all chunks that the client can read without waiting.
fn take(client: &mut Subscription) -> Vec<Sent> {
    std::iter::from_fn(|| take_one(client)).collect()
}

fn take_one(client: &mut Subscription) -> Option<Sent> {
    client.next().now_or_never().flatten().map(|chunk| Sent::parse(&chunk))
}

impl Sent {
    fn parse(chunk: &[u8]) -> Self {
        let text = str::from_utf8(chunk).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        match (field("event: "), field("data: ")) {
            (Some(event), Some(data)) => {
                let lines = text.lines().count();
                assert!(text.ends_with("\n\n") && (3..=4).contains(&lines), "{text}");
                let data = serde_json::from_str(data).unwrap();
                let id = field("id: ").map(str::to_owned);
                Self::Event { id, event: event.to_owned(), data }
            }
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Returns id, event name and time.
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

/// A change to a running ride.
fn rides(ride: RideKey, second: u16, output: f64) -> LiveChange {
    let name = Some("Al".into());
    let standing = Standing { second, output: Output(output), name, started_at: 2_000 };
    LiveChange::Stage(ride, Stage::Running(standing, Vec::new()))
}
