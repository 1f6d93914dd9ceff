//! Compares simulated clients with the live state. At each frame with an id, the state that a client has
//! built from its frames must equal the live state at the frame's `asOf`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use velodrome_dataflows::ViewCount;

use super::*;
use crate::live_state::LiveTables;

const FOLLOWED: [&str; 4] =
    ["standings:1", "standings:2,views:*", "races:1,views:a,stats", "races,standings:1,board:1"];

/// One step of a generated scenario.
#[derive(Clone, Debug)]
enum Step {
    /// Runs `times` ticks with these changes in turn. The hub runs after each of them, or only after the
    /// last.
    Ticks { changes: Vec<GeneratedChange>, times: u8, run_hub_each_tick: bool },
    /// The hub runs `after_ms` milliseconds later.
    RunHub { after_ms: u16 },
    /// A client reads up to `chunks` chunks.
    Read { client: usize, chunks: u8 },
    /// A client loses its connection and reconnects with or without its last id.
    Reconnect { client: usize, with_id: bool },
}

/// A generated change; [`change`] adapts it to the rides that exist.
#[derive(Clone, Copy, Debug)]
enum GeneratedChange {
    Ride { class: u16, race: u64, racer: u32, output: u8, named: bool, ends: bool },
    Views(bool),
    Records(u16),
}

/// For each topic, its fields and its rows by key.
type Topics = BTreeMap<String, (Value, BTreeMap<String, Value>)>;

struct Client {
    topics: &'static str,
    subscription: Subscription,
    last: Option<String>,
    state: Topics,
}

fn key(topic: &str, row: &Value) -> String {
    match topic.split(':').next().unwrap() {
        "standings" => row["racerId"].to_string(),
        "views" => row["projectId"].to_string(),
        "races" => format!("{} {}", row["classId"], row["raceId"]),
        "board" => row["racerId"].to_string(),
        other => panic!("{other} has no rows"),
    }
}

impl Client {
    fn new(bench: &Bench, topics: &'static str) -> Self {
        let subscription = bench.follow(topics, None);
        Self { topics, subscription, last: None, state: Topics::new() }
    }

    fn reconnect(&mut self, bench: &Bench, with_id: bool) {
        let last = self.last.take().filter(|_| with_id);
        if last.is_none() {
            self.state.clear();
        }
        self.subscription = bench.follow(self.topics, last.as_deref());
        self.last = last;
    }

    /// Reads one chunk, and returns whether there was one.
    fn read(&mut self, known: &BTreeMap<EventTime, Topics>) -> bool {
        let Some(sent) = take_one(&mut self.subscription) else { return false };
        let Sent::Event { id, event, data } = sent else { return true };
        self.apply(&event, data);
        if let Some(id) = id {
            self.last = Some(id);
            self.check(known);
        }
        true
    }

    fn apply(&mut self, event: &str, mut data: Value) {
        let topic = data["topic"].as_str().unwrap().to_owned();
        let fields = data.as_object_mut().unwrap();
        let rows = fields.remove("rows").unwrap_or_default();
        let gone = fields.remove("gone").unwrap_or_default();
        let (kept, by_key) = self.state.entry(topic.clone()).or_default();
        *kept = data;
        if event == "snapshot" {
            by_key.clear();
        }
        for row in rows.as_array().into_iter().flatten() {
            by_key.insert(key(&topic, row), row.clone());
        }
        for row in gone.as_array().into_iter().flatten() {
            let key = if row.is_object() { key(&topic, row) } else { row.to_string() };
            by_key.remove(&key);
        }
    }

    fn check(&self, known: &BTreeMap<EventTime, Topics>) {
        let followed: Vec<_> = self.topics.split(',').collect();
        assert_eq!(self.state.len(), followed.len());
        for (topic, (fields, rows)) in &self.state {
            let as_of = fields["asOf"].as_u64().unwrap();
            let (_, at) = known.range(..=as_of).next_back().unwrap();
            let Some((expected, expected_rows)) = at.get(topic) else { continue };
            assert_eq!(rows, expected_rows, "{topic} at {as_of}");
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&fields[name], value, "{name} of {topic} at {as_of}");
            }
        }
    }
}

/// Returns the expected state of each topic, without the rows of boards.
fn expected_topics(live: &LiveTables) -> Topics {
    let mut all = Topics::new();
    let mut put = |topic: &str, fields: Value, rows: Vec<Value>| {
        let rows = rows.into_iter().map(|row| (key(topic, &row), row)).collect();
        all.insert(topic.to_owned(), (fields, rows));
    };
    for class in 1..=2 {
        let race = live.running_race(class);
        let rows = race.and_then(|race| live.standings(class, race)).unwrap_or_default();
        let started_at = race.and_then(|race| live.race(class, race)).map(|race| race.order.0);
        let fields = json!({"raceId": race, "racers": rows.len(), "startedAt": started_at});
        let row = |(racer, standing): &(u32, Standing)| {
            let known = (*racer == 4).then_some("Zoë").or((*racer == 1).then_some("Ada"));
            let name = standing.name.as_deref().or(known);
            let (output, second) = (standing.output.0, standing.second);
            json!({"racerId": racer, "name": name, "output": output, "second": second})
        };
        put(&format!("standings:{class}"), fields, rows.iter().map(row).collect());
    }
    for (topic, class) in [("races", None), ("races:1", Some(1))] {
        let row = |race: crate::live_state::RaceSummary| {
            let (started_at, class, id) = race.order;
            let state = if race.is_running { "running" } else { "over" };
            json!({
                "raceId": id, "classId": class, "state": state, "startedAt": started_at,
                "racers": race.racers,
            })
        };
        let rows = live.races(class, None, 1_000).into_iter().map(row).collect();
        put(topic, json!({}), rows);
    }
    let rows = |only: Option<&str>| {
        let projects = live.projects().filter(|(id, _)| only.is_none_or(|only| only == *id));
        let row = |(id, count): (&compact_str::CompactString, &ViewCount)| json!({"projectId": id, "views": count.views, "durationMs": count.duration_ms});
        projects.map(row).collect()
    };
    put("views:*", json!({}), rows(None));
    put("views:a", json!({}), rows(Some("a")));
    all
}

/// Converts a generated change, or returns `None` if it is impossible now.
fn change(live: &LiveTables, chosen: GeneratedChange) -> Option<LiveChange> {
    Some(match chosen {
        GeneratedChange::Views(is_a) => {
            let project = if is_a { "a" } else { "b" };
            LiveChange::Views(project.into(), ViewCount { views: 1, duration_ms: 3 })
        }
        GeneratedChange::Records(class) => LiveChange::Records(class),
        GeneratedChange::Ride { class, race, racer, output, named, ends } => {
            let ride = (class, race, racer);
            let running = live.standing(ride);
            let started_at = running.map_or(4_000 + race, |standing| standing.started_at);
            let stage = match running {
                Some(_) if ends => Stage::Finished { started_at },
                _ => Stage::Running(
                    Standing {
                        second: output.into(),
                        output: Output(output.into()),
                        name: named.then(|| "Al".into()),
                        started_at,
                    },
                    Vec::new(),
                ),
            };
            LiveChange::Stage(ride, stage)
        }
    })
}

fn generated_change() -> impl Strategy<Value = GeneratedChange> {
    let ride = (1..3u16, 6..10u64, 1..6u32, 0..50u8, prop::bool::weighted(0.8), 0..6u8);
    let ride = ride.prop_map(|(class, race, racer, output, named, ends)| GeneratedChange::Ride {
        class,
        race,
        racer,
        output,
        named,
        ends: ends == 0,
    });
    prop_oneof![
        6 => ride,
        2 => any::<bool>().prop_map(GeneratedChange::Views),
        1 => (1..3u16).prop_map(GeneratedChange::Records),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..FOLLOWED.len();
    let ticks = |times, most| {
        (prop::collection::vec(generated_change(), 0..most), times, any::<bool>()).prop_map(
            |(changes, times, run_hub_each_tick)| Step::Ticks { changes, times, run_hub_each_tick },
        )
    };
    prop_oneof![
        8 => ticks(1..4u8, 6),
        // More frames than a ring holds.
        1 => ticks(250..255u8, 4),
        4 => prop_oneof![Just(1u16), 1..100u16, Just(1_100)].prop_map(|after_ms| Step::RunHub { after_ms }),
        6 => (client.clone(), prop_oneof![1..5u8, Just(255)])
            .prop_map(|(client, chunks)| Step::Read { client, chunks }),
        3 => (client, any::<bool>())
            .prop_map(|(client, with_id)| Step::Reconnect { client, with_id }),
    ]
}

async fn run_scenario(steps: Vec<Step>) {
    let (mut bench, mut time) = (Bench::new(), 5_000);
    let mut known = BTreeMap::from([(4_000, expected_topics(&bench.fake.live_state().read()))]);
    let mut clients = FOLLOWED.map(|topics| Client::new(&bench, topics));
    for step in steps {
        match step {
            Step::Ticks { changes, times, run_hub_each_tick } => {
                for number in 0..usize::from(times) {
                    time += 10;
                    let live = bench.fake.live_state().read();
                    let some = changes.iter().skip(number % changes.len().max(1)).take(2);
                    let mut some: Vec<_> =
                        some.filter_map(|chosen| change(&live, *chosen)).collect();
                    some.dedup_by_key(|change| format!("{change:?}"));
                    drop(live);
                    bench.fake.tick(time, some);
                    known.insert(time, expected_topics(&bench.fake.live_state().read()));
                    tokio::time::advance(Duration::from_millis(10)).await;
                    if run_hub_each_tick {
                        bench.hub.tick().await;
                    }
                }
                bench.hub.tick().await;
            }
            Step::RunHub { after_ms } => {
                tokio::time::advance(Duration::from_millis(after_ms.into())).await;
                bench.hub.tick().await;
            }
            Step::Read { client, chunks } => {
                for _ in 0..chunks {
                    clients[client].read(&known);
                }
            }
            Step::Reconnect { client, with_id } => clients[client].reconnect(&bench, with_id),
        }
    }
    // No more changes: lagging clients catch up, with a snapshot if they need one.
    for _ in 0..3 {
        bench.hub.tick().await;
        clients.iter_mut().for_each(|client| while client.read(&known) {});
        tokio::time::advance(Duration::from_millis(1_100)).await;
    }
    let newest = expected_topics(&bench.fake.live_state().read());
    for client in &clients {
        client.check(&known);
        for (topic, (_, rows)) in &client.state {
            assert!(
                newest.get(topic).is_none_or(|(_, newest)| newest == rows),
                "{topic} at the end"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn clients_rebuild_the_live_state_from_frames(steps in prop::collection::vec(step(), 1..60)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run_scenario(steps));
    }
}
