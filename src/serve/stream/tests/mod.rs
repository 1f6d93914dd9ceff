//! Hub and clients over an engine of fixed data, tick by tick, with the time in the test's hands.

mod clients;
mod model;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use velodrome_dataflows::{Clock, Output, RideKey, Stage, Standing};

use super::channels::Channels;
use super::hub::Hub;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::feeds::FeedChange;
use crate::rebuild::Rebuilds;
use crate::serve::acks::Acks;
use crate::serve::reads::Reads;
use crate::serve::reads::stub::Stub;

/// How far ticks are apart.
const TICK: Duration = Duration::from_millis(10);

/// Hub and channels over a [`Stub`], whose time 5,000 is complete.
struct Bench {
    stub: Stub,
    channels: Arc<Channels>,
    acks: Arc<Acks>,
    rebuilds: Rebuilds,
    hub: Hub<fn() -> Duration>,
}

/// A server-sent event, or what else a stream has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Event { id: Option<String>, event: String, data: Value },
    Other(String),
}

impl Bench {
    fn new() -> Self {
        let (stub, channels) = (Stub::new(), Arc::new(Channels::new(0xe)));
        let reads = Reads::new(stub.engine());
        let lag: fn() -> Duration = || Duration::from_millis(7);
        let acks = Arc::new(Acks::new());
        let (engine, rebuilds) = (stub.engine(), Rebuilds::default());
        let told = (lag, Arc::clone(&acks), rebuilds.clone());
        let hub = Hub::new(Arc::clone(&channels), engine, reads, told.0, told.1, told.2);
        Self { stub, channels, acks, rebuilds, hub }
    }

    fn follow(&self, topics: &str, last: Option<&str>) -> Subscription {
        let topics = Topic::list(topics).unwrap();
        Subscription::new(Arc::clone(&self.channels), topics, last, None).unwrap()
    }

    /// A client that has got its snapshots.
    async fn followed(&mut self, topics: &str) -> Subscription {
        let mut client = self.follow(topics, None);
        let mut sent = take(&mut client);
        self.hub.tick().await;
        sent.append(&mut take(&mut client));
        assert!(sent.len() > 1, "{sent:?}");
        client
    }

    /// A tick in which those changes come, and what the hub makes of it.
    async fn tick(&mut self, time: Clock, changes: Vec<FeedChange>) -> Instant {
        tokio::time::advance(TICK).await;
        self.stub.tick(time, changes);
        self.hub.tick().await
    }
}

/// What there is for a client at once.
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

    /// Id, name and time.
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

/// A standing of the race 9 of class 2, which is running.
fn rides(ride: RideKey, second: u16, output: f64) -> FeedChange {
    let name = Some("Al".into());
    let standing = Standing { second, output: Output(output), name, began: 2_000 };
    FeedChange::Stage(ride, Stage::Running(standing, Vec::new()))
}
