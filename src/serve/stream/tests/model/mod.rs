//! Compares simulated clients with the live state. At each frame with an id, the state that a client has
//! built from its frames must equal the live state at the frame's `asOf`.

mod client;
mod expected;
mod steps;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use self::client::Client;
use self::expected::expected_topics;
use self::steps::{Step, live_change, steps};
use super::*;

/// The topics of each client.
const CLIENT_TOPICS: [&str; 4] =
    ["standings:1", "standings:2,views:*", "races:1,views:a,stats", "races,standings:1,board:1"];

/// For each topic, its fields and its rows by key.
type Topics = BTreeMap<String, (Value, BTreeMap<String, Value>)>;

/// The key of a topic's row.
fn key(topic: &str, row: &Value) -> String {
    match topic.split(':').next().unwrap() {
        "standings" | "board" => row["racerId"].to_string(),
        "views" => row["projectId"].to_string(),
        "races" => format!("{} {}", row["classId"], row["raceId"]),
        other => panic!("{other} has no rows"),
    }
}

/// The clients, and the expected state of each time so far.
struct Scenario {
    bench: Bench,
    time: EventTime,
    expected: BTreeMap<EventTime, Topics>,
    clients: [Client; CLIENT_TOPICS.len()],
}

impl Scenario {
    fn new() -> Self {
        let bench = Bench::new();
        let expected = BTreeMap::from([(4_000, expected_topics(&bench.fake.live_state().read()))]);
        let clients = CLIENT_TOPICS.map(|topics| Client::new(&bench, topics));
        Self { bench, time: 5_000, expected, clients }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Ticks { changes, times, is_hub_run_each_tick } => {
                for number in 0..usize::from(times) {
                    // Two of the changes in turn.
                    let some = changes.iter().skip(number % changes.len().max(1)).take(2);
                    self.apply(some).await;
                    if is_hub_run_each_tick {
                        self.bench.hub.publish().await;
                    }
                }
                self.bench.hub.publish().await;
            }
            Step::RunHub { after_ms } => {
                tokio::time::advance(Duration::from_millis(after_ms.into())).await;
                self.bench.hub.publish().await;
            }
            Step::Read { client, chunks } => {
                for _ in 0..chunks {
                    self.clients[client].read(&self.expected);
                }
            }
            Step::Reconnect { client, with_id } => {
                self.clients[client].reconnect(&self.bench, with_id);
            }
        }
    }

    /// Applies the changes of one tick.
    async fn apply(&mut self, changes: impl Iterator<Item = &steps::GeneratedChange>) {
        self.time += 10;
        let live = self.bench.fake.live_state().read();
        let mut changes: Vec<_> = changes.map(|change| live_change(&live, *change)).collect();
        drop(live);
        changes.dedup_by_key(|change| format!("{change:?}"));
        self.bench.fake.tick(self.time, changes);
        let expected = expected_topics(&self.bench.fake.live_state().read());
        self.expected.insert(self.time, expected);
        tokio::time::advance(TICK).await;
    }

    /// Checks that without further changes all clients catch up, with a snapshot if they need one.
    async fn finish(mut self) {
        for _ in 0..3 {
            self.bench.hub.publish().await;
            self.clients.iter_mut().for_each(|client| while client.read(&self.expected) {});
            tokio::time::advance(Duration::from_millis(1_100)).await;
        }
        let newest = expected_topics(&self.bench.fake.live_state().read());
        for client in &self.clients {
            client.check(&self.expected);
            client.check_rows(&newest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn clients_rebuild_the_live_state_from_frames(steps in steps()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut scenario = Scenario::new();
            for step in steps {
                scenario.run(step).await;
            }
            scenario.finish().await;
        });
    }
}
