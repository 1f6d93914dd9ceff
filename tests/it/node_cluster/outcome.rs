//! All that a service has computed, in the format of a replay's files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::NodeCluster;
use crate::run::{Workplace, contents};
use crate::served_results::{leaderboard, results, views};
use crate::serving::{ServiceProcess, wait_for};

/// All that a service has computed of races that are over.
#[derive(PartialEq, Eq)]
pub(crate) struct Outcome {
    results: String,
    leaderboard: String,
    views: String,
    /// The bytes of the history objects, by name.
    history: BTreeMap<String, Vec<u8>>,
}

impl Outcome {
    /// What a running service reports, and what it has published in the directory `history`.
    pub(crate) fn of(serving: &ServiceProcess, history: &Path) -> Self {
        Self {
            results: results(serving),
            leaderboard: leaderboard(serving),
            views: views(serving),
            history: published(history),
        }
    }

    /// The results of a replay in the directory `name`.
    pub(crate) fn of_replay(place: &Workplace, name: &str) -> Self {
        let text = |file: &str| fs::read_to_string(place.path(name).join(file)).unwrap();
        let files = contents(&place.path(name)).into_iter();
        let objects = files.filter(|(path, _)| path.starts_with("history"));
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        Self {
            results: text("results.jsonl"),
            leaderboard: text("leaderboard.json"),
            views: text("views.json"),
            history: objects.map(|(path, bytes)| (name(&path), bytes)).collect(),
        }
    }

    /// The number of races with results.
    pub(crate) fn races(&self) -> usize {
        let race = |line| {
            let line: Value = serde_json::from_str(line).unwrap();
            (line["classId"].as_u64(), line["raceId"].as_u64())
        };
        self.results.lines().map(race).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn assert_equal(&self, other: &Self, what: &str) {
        assert_eq!(first_difference(&self.results, &other.results), None, "{what}: results");
        assert_eq!(self.leaderboard, other.leaderboard, "{what}: leaderboard");
        assert_eq!(self.views, other.views, "{what}: views");
        let names = |outcome: &Self| outcome.history.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "{what}: history objects");
        for (name, bytes) in &self.history {
            assert!(*bytes == other.history[name], "{what}: history object {name}");
        }
    }
}

/// Asserts that a service has an outcome, and publishes it in its data directory.
pub(crate) fn assert_outcome_of(
    serving: &ServiceProcess,
    data: &Path,
    expected: &Outcome,
    what: &str,
) {
    let history = data.join("history");
    wait_for(&format!("{what} publishes its history"), || published(&history) == expected.history);
    Outcome::of(serving, &history).assert_equal(expected, what);
}

/// The first line that differs.
fn first_difference<'a>(one: &'a str, other: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut one, mut other) = (one.lines(), other.lines());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some((a.unwrap_or_default(), b.unwrap_or_default())),
        }
    }
}

/// The history objects in a directory. Files that the service removes meanwhile are left out.
fn published(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .filter_map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            Some((name, fs::read(&path).ok()?))
        })
        .collect()
}

/// The races that a service lists.
pub(crate) fn races(serving: &ServiceProcess) -> Vec<Value> {
    serving.get("/v1/races?limit=1000")["rows"].as_array().unwrap().clone()
}

/// Waits until all races are over on a node.
pub(crate) fn wait_over(serving: &ServiceProcess, count: usize) {
    wait_for("all races are over", || {
        let races = races(serving);
        races.len() == count && races.iter().all(|race| race["state"] == "over")
    });
}

impl NodeCluster {
    /// The outcome of a replay of `events`, each once, without a cluster.
    pub(crate) fn expected(&self, events: &[String]) -> Outcome {
        self.place.write("events.jsonl", events.join("\n"));
        let replayed =
            self.place.run(&format!("replay events.jsonl --out expected {}", self.rules()));
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        Outcome::of_replay(&self.place, "expected")
    }

    /// Asserts that all nodes have an outcome, and that their archives and logs have it too. Stops the nodes. Returns
    /// the summary of the replay.
    pub(crate) fn assert_outcome(&mut self, expected: &Outcome) -> Value {
        let nodes = 0..self.options.nodes;
        let list = races(self.node(0));
        for node in nodes.clone() {
            // A node can lag by a tick.
            wait_for("all nodes list the same races", || races(self.node(node)) == list);
        }
        for node in nodes {
            assert_outcome_of(self.node(node), &self.data(node), expected, &format!("node {node}"));
        }
        self.stop_all();
        let summary = self.replay("replayed");
        Outcome::of_replay(&self.place, "replayed").assert_equal(expected, "the archive");
        summary
    }

    /// Replays the archives and logs of all nodes into the directory `out`. Returns the summary.
    pub(crate) fn replay(&self, out: &str) -> Value {
        let inputs = (0..self.options.nodes)
            .flat_map(|node| [format!("archive/node-{node}"), format!("data-{node}/log")]);
        let has_files = |name: &String| {
            fs::read_dir(self.place.path(name)).is_ok_and(|mut entries| entries.next().is_some())
        };
        let inputs: Vec<_> = inputs.filter(has_files).collect();
        let (inputs, rules) = (inputs.join(" "), self.rules());
        let replayed = self.place.run(&format!("replay --merge {inputs} --out {out} {rules}"));
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        self.place.json(&format!("{out}/summary.json"))
    }

    /// The argument of a replay under the rules of the expected results.
    fn rules(&self) -> &'static str {
        self.place.write("rules.toml", self.options.rules);
        if self.options.rules.is_empty() { "" } else { "--rules rules.toml" }
    }

    /// The URL of a node, also while it is down.
    pub(crate) fn url(&self, node: usize) -> String {
        format!("http://{}", self.addresses.http(node))
    }
}
