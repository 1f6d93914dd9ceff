//! The model: computes all answers from the lines of the log by their definition, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The service removes expired results with a delay of up to a minute.
const EXPIRY_SLACK_MS: u64 = 120_000;

/// Rules that a service can have. The other rules are those of Alleycat.
#[derive(Debug, PartialEq)]
pub(super) struct ModelRules {
    pub(super) text: &'static str,
    divisor: f64,
    pub(super) race_seconds: u64,
    grace_seconds: u64,
    excluded_racer: Option<u64>,
}

pub(super) const RULES: [ModelRules; 3] = [
    ModelRules {
        text: "race_seconds = 5\ngrace_seconds = 3",
        divisor: 100.0,
        race_seconds: 5,
        grace_seconds: 3,
        excluded_racer: None,
    },
    ModelRules {
        text: "race_seconds = 5\ngrace_seconds = 10\ndivisor = 50.0",
        divisor: 50.0,
        race_seconds: 5,
        grace_seconds: 10,
        excluded_racer: None,
    },
    ModelRules {
        text: "race_seconds = 4\ngrace_seconds = 2\nexcluded_racers = [3]",
        divisor: 100.0,
        race_seconds: 4,
        grace_seconds: 2,
        excluded_racer: Some(3),
    },
];

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// The event as the client sent it.
    pub(super) text: String,
    pub(super) arrival_ms: u64,
}

type Race = (u64, u64);

/// Final, best and total output, and the number of seconds.
type RideResult = (Option<f64>, f64, f64, u64);

/// What all reads return.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answers {
    /// The records of each class and second, by racer.
    pub(super) boards: BTreeMap<(u64, u64), BTreeMap<u64, f64>>,
    /// The best final output of each class and racer, and its race.
    pub(super) leaderboards: BTreeMap<u64, BTreeMap<u64, (f64, u64)>>,
    pub(super) results: BTreeMap<Race, BTreeMap<u64, RideResult>>,
    /// The output at the latest second, and that second.
    pub(super) standings: BTreeMap<Race, BTreeMap<u64, (f64, u64)>>,
    /// Views and watched time.
    pub(super) views: BTreeMap<String, (u64, u64)>,
}

#[derive(Default)]
struct Ride {
    closes_at: u64,
    outputs: BTreeMap<u64, f64>,
    last: Option<f64>,
}

impl Ride {
    fn has_expired(&self, clock: u64) -> bool {
        self.closes_at + 7 * DAY_MS < clock
    }

    fn result(&self) -> RideResult {
        let best = self.outputs.values().copied().fold(f64::NEG_INFINITY, f64::max);
        (self.last, best, self.outputs.values().sum(), self.outputs.len() as u64)
    }
}

#[derive(Default)]
struct State {
    answers: Answers,
    rides: BTreeMap<(u64, u64, u64), Ride>,
    expired: Vec<((u64, u64, u64), Ride)>,
    counted: BTreeMap<(String, String), u64>,
}

/// The answers at the time `as_of`, of a service with these `lines`, and the races whose results are about to
/// expire, which the answers do not contain.
pub(super) fn answers(
    lines: &[Line],
    rules: &ModelRules,
    bans: &BTreeSet<u64>,
    as_of: u64,
) -> (Answers, BTreeSet<Race>) {
    let mut state = State::default();
    for line in lines {
        let event: Value = serde_json::from_str(&line.text).unwrap();
        match event["event"].as_str().unwrap() {
            "view" | "watch" => state.count(&event, line.arrival_ms),
            _ => state.add(&event, rules, line.arrival_ms),
        }
    }
    state.finish(bans, as_of)
}

impl State {
    fn count(&mut self, event: &Value, clock: u64) {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let (key, day) = ((text("projectId"), text("uuid")), clock / DAY_MS);
        if self.counted.get(&key).is_none_or(|before| day - before > 7) {
            let (views, ms) = self.answers.views.entry(key.0.clone()).or_default();
            *views += u64::from(event["event"] == "view");
            *ms += event["durationMs"].as_u64().unwrap_or(0);
            self.counted.insert(key, day);
        }
    }

    fn add(&mut self, event: &Value, rules: &ModelRules, clock: u64) {
        let number = |name: &str| event[name].as_u64().unwrap();
        let (class, race, racer) = (number("classId"), number("raceId"), number("racerId"));
        let second = number("second");
        if rules.excluded_racer == Some(racer) || second > rules.race_seconds {
            return;
        }
        let [cadence, resistance] =
            ["cadence", "resistance"].map(|name| event[name].as_f64().unwrap());
        let output = ((cadence + 35.0) * (resistance + 65.0)) / rules.divisor;
        let is_final = event["event"] == "final";
        if is_final {
            let best = self.answers.leaderboards.entry(class).or_default();
            let best = best.entry(racer).or_insert((output, race));
            if output > best.0 || output == best.0 && race < best.1 {
                *best = (output, race);
            }
        }
        let key = (class, race, racer);
        if self.rides.get(&key).is_some_and(|ride| ride.has_expired(clock)) {
            self.expired.extend(self.rides.remove(&key).map(|ride| (key, ride)));
        }
        let left_ms = (rules.race_seconds - second + rules.grace_seconds) * 1_000;
        let ride = self
            .rides
            .entry(key)
            .or_insert_with(|| Ride { closes_at: clock + left_ms, ..Ride::default() });
        if clock > ride.closes_at + HOUR_MS {
            raise(self.answers.boards.entry((class, second)).or_default(), racer, output);
            return;
        }
        raise(&mut ride.outputs, second, output);
        if is_final {
            ride.last = Some(ride.last.map_or(output, |last| last.max(output)));
        }
    }

    fn finish(self, bans: &BTreeSet<u64>, as_of: u64) -> (Answers, BTreeSet<Race>) {
        let Self { mut answers, rides, expired, .. } = self;
        let mut expiring = BTreeSet::new();
        let is_finished = |ride: &Ride| ride.closes_at.next_multiple_of(1_000) <= as_of;
        for ((class, _, racer), ride) in &expired {
            add_records(&mut answers, *class, *racer, ride);
        }
        for ((class, race, racer), ride) in &rides {
            let key = (*class, *race);
            if !is_finished(ride) {
                let latest =
                    ride.outputs.last_key_value().map(|(second, output)| (*output, *second));
                answers.standings.entry(key).or_default().insert(*racer, latest.unwrap());
                continue;
            }
            add_records(&mut answers, *class, *racer, ride);
            if (ride.closes_at + 7 * DAY_MS).abs_diff(as_of) < EXPIRY_SLACK_MS {
                expiring.insert(key);
            } else if !ride.has_expired(as_of) {
                answers.results.entry(key).or_default().insert(*racer, ride.result());
            }
        }
        answers.hide(bans);
        answers.results.retain(|race, _| !expiring.contains(race));
        (answers, expiring)
    }
}

fn add_records(answers: &mut Answers, class: u64, racer: u64, ride: &Ride) {
    for (second, output) in &ride.outputs {
        raise(answers.boards.entry((class, *second)).or_default(), racer, *output);
    }
}

fn raise(outputs: &mut BTreeMap<u64, f64>, key: u64, output: f64) {
    let best = outputs.entry(key).or_insert(output);
    *best = best.max(output);
}

impl Answers {
    fn hide(&mut self, bans: &BTreeSet<u64>) {
        self.boards.values_mut().for_each(|board| board.retain(|racer, _| !bans.contains(racer)));
        self.leaderboards
            .values_mut()
            .for_each(|rows| rows.retain(|racer, _| !bans.contains(racer)));
        self.results.values_mut().for_each(|rows| rows.retain(|racer, _| !bans.contains(racer)));
        self.standings.values_mut().for_each(|rows| rows.retain(|racer, _| !bans.contains(racer)));
        self.boards.retain(|_, rows| !rows.is_empty());
        self.leaderboards.retain(|_, rows| !rows.is_empty());
        self.results.retain(|_, rows| !rows.is_empty());
        self.standings.retain(|_, rows| !rows.is_empty());
    }
}
