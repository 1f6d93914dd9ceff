//! Switches between two sets of rules, while events flow and nodes fail.

use std::collections::BTreeSet;

use rand::RngExt;
use rand_pcg::Pcg64;
use serde_json::Value;

use super::NodeCluster;
use crate::serving::{agent, get, wait_for};

/// The sets of rules: those of Alleycat, and others with longer races and other outputs. No event is valid under one set
/// only.
const RULES: [&str; 2] =
    ["race_seconds = 300", "race_seconds = 420\nresistance_offset = 60\ngrace_seconds = 90"];

/// A cluster starts with the first set.
const FIRST: usize = 0;

/// What is known of the active rules.
pub(super) struct RuleSwitches {
    /// The sets that can be active: one, unless a switch was requested and its result is unknown.
    possible: BTreeSet<usize>,
    /// The switches that were seen to be complete.
    pub(super) complete: usize,
}

impl RuleSwitches {
    pub(super) fn new() -> Self {
        Self { possible: BTreeSet::from([FIRST]), complete: 0 }
    }

    /// Requests a set of rules at a random node, which may fail. Sometimes waits for the result.
    pub(super) fn switch(&mut self, cluster: &NodeCluster, random: &mut Pcg64) {
        let (set, node) = (random.random_range(0..2), random.random_range(0..3));
        let url = cluster.url(node);
        // A request without a reply may be in progress.
        let is_requested = !matches!(post(&url, set), 503);
        if is_requested {
            self.possible.insert(set);
        }
        if !is_requested || random.random() {
            return;
        }
        let mut active = None;
        wait_for("a switch of rules ends", || {
            let (status, rules) = get(&format!("{url}/v1/rules"));
            active = Some(rules["rules"]["race_seconds"].clone());
            // It fails if the generation ends, or if its node was restarted.
            status == 200 && (rules["rebuild"].is_null() || rules["rebuild"]["error"].is_string())
        });
        if active == Some(Value::from(race_seconds(set))) {
            self.possible = BTreeSet::from([set]);
            self.complete += 1;
        }
    }

    /// Asserts that all nodes have the same rules, and none that were not requested or were replaced.
    pub(super) fn check(&self, cluster: &NodeCluster) {
        let mut active = Vec::new();
        wait_for("all nodes have the same rules", || {
            let rules = (0..3).map(|node| get(&format!("{}/v1/rules", cluster.url(node))).1);
            active = rules.map(|rules| rules["rules"]["race_seconds"].clone()).collect();
            active[0].is_u64() && active.iter().all(|one| *one == active[0])
        });
        let is_possible = |set: &usize| active[0] == race_seconds(*set);
        assert!(self.possible.iter().any(is_possible), "{active:?}: {:?}", self.possible);
    }

    /// Makes a random set of rules active on all nodes, and returns it.
    pub(super) fn end(&mut self, cluster: &NodeCluster, random: &mut Pcg64) -> &'static str {
        let (set, node) = (random.random_range(0..2), random.random_range(0..3));
        wait_for("the last rules are active on all nodes", || {
            let is_active = |node| {
                let (_, rules) = get(&format!("{}/v1/rules", cluster.url(node)));
                // An earlier switch that failed stays.
                let is_over = rules["rebuild"].is_null() || rules["rebuild"]["error"].is_string();
                rules["rules"]["race_seconds"] == race_seconds(set) && is_over
            };
            if (0..3).all(is_active) {
                return true;
            }
            // A request for rules that are in progress changes nothing.
            post(&cluster.url(node), set);
            false
        });
        self.possible = BTreeSet::from([set]);
        RULES[set]
    }
}

/// The length of a race under a set of rules, which no other set has.
fn race_seconds(set: usize) -> u16 {
    [300, 420][set]
}

/// Requests a set of rules. Returns the status, and 0 without a reply.
fn post(url: &str, set: usize) -> u16 {
    let answer = agent().post(format!("{url}/v1/rules")).send(RULES[set]);
    let status = answer.map_or(0, |answer| answer.status().as_u16());
    assert!(matches!(status, 0 | 202 | 503), "{status}");
    status
}
