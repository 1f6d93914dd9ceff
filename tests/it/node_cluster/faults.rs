//! Random faults of a cluster of three nodes: killed, stopped and frozen nodes, and networks that fail.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::NodeCluster;
use super::probes::Probes;
use super::proxy::{Mode, Network};
use super::rule_switches::RuleSwitches;
use crate::serving::{agent, get, wait_for};

/// The number of nodes.
pub(super) const NODES: usize = 3;

/// Causes faults, one after the other.
pub(super) struct Chaos<'a> {
    cluster: &'a mut NodeCluster,
    network: &'a Network,
    probes: &'a Probes,
    random: Pcg64,
    /// Whether racers are banned, if it is known: a change that fails may be durable.
    bans: BTreeMap<u32, Option<bool>>,
    rules: RuleSwitches,
    counts: BTreeMap<&'static str, usize>,
    /// How long it took until a generation answered reads again.
    recoveries: Vec<Duration>,
}

impl<'a> Chaos<'a> {
    pub(super) fn new(
        cluster: &'a mut NodeCluster,
        network: &'a Network,
        probes: &'a Probes,
        seed: u64,
    ) -> Self {
        let (random, bans) = (Pcg64::seed_from_u64(seed), BTreeMap::new());
        let (counts, recoveries) = (BTreeMap::new(), Vec::new());
        let rules = RuleSwitches::new();
        Self { cluster, network, probes, random, bans, rules, counts, recoveries }
    }

    /// Causes a random fault, and then perhaps changes a ban and the rules.
    pub(super) fn cause_fault(&mut self) {
        let node = self.random.random_range(0..NODES);
        let other = (node + self.random.random_range(1..NODES)) % NODES;
        let fault = match self.random.random_range(0..10) {
            0..4 => {
                self.restart(&[node], NodeCluster::kill);
                "kill"
            }
            4 => {
                self.restart(&[node, other], NodeCluster::kill);
                "kill of two"
            }
            5 => {
                self.restart(&[node], NodeCluster::stop);
                "stop"
            }
            6 | 7 => {
                self.probes.while_down(&[node], || {
                    self.cluster.pause(node);
                    // A pause of more than 5 s ends the generation.
                    let pause_ms = if self.random.random_ratio(1, 5) { 5_500 } else { 1_000 };
                    thread::sleep(Duration::from_millis(self.random.random_range(0..pause_ms)));
                    self.cluster.resume(node);
                });
                "pause"
            }
            _ => {
                let mode = if self.random.random() { Mode::Cut } else { Mode::Freeze };
                self.network.set(node, other, mode);
                thread::sleep(Duration::from_millis(self.random.random_range(0..1_500)));
                self.network.set(node, other, Mode::Forward);
                "partition"
            }
        };
        eprintln!("{fault} of node {node}, other {other}");
        *self.counts.entry(fault).or_default() += 1;
        // Otherwise, the next fault can occur while a generation forms.
        if self.random.random_ratio(2, 3) {
            self.wait_live();
        }
        self.change_a_ban();
        if self.random.random_ratio(1, 3) {
            self.rules.switch(self.cluster, &mut self.random);
        }
    }

    /// Ends nodes, and starts them again.
    fn restart(&mut self, nodes: &[usize], end: impl Fn(&mut NodeCluster, usize)) {
        self.probes.while_down(nodes, || {
            nodes.iter().for_each(|node| end(self.cluster, *node));
            thread::sleep(Duration::from_millis(self.random.random_range(0..300)));
            nodes.iter().for_each(|node| self.cluster.start_node(*node));
            nodes.iter().for_each(|node| self.cluster.wait_accepts(*node));
        });
    }

    /// Waits until a generation answers reads. All nodes then have all acknowledged bans and rules.
    fn wait_live(&mut self) {
        let began = Instant::now();
        self.cluster.wait_live();
        self.recoveries.push(began.elapsed());
        for node in 0..NODES {
            let (_, banned) = get(&format!("{}/v1/bans", self.cluster.url(node)));
            let banned: Vec<_> = banned["racers"].as_array().unwrap().iter().collect();
            for (racer, is_banned) in &self.bans {
                let is_listed =
                    banned.iter().any(|listed| listed.as_u64() == Some((*racer).into()));
                assert!(is_banned.is_none_or(|it| it == is_listed), "node {node}: {racer}");
            }
        }
        self.rules.check(self.cluster);
    }

    /// Bans a racer or lifts a ban at a random node, which may fail.
    fn change_a_ban(&mut self) {
        let (node, racer) = (self.random.random_range(0..NODES), self.random.random_range(0..20));
        let is_banned = self.random.random();
        let is_done = set_ban(&self.cluster.url(node), racer, is_banned);
        let before = self.bans.insert(racer, is_done.then_some(is_banned));
        if !is_done && before == Some(Some(is_banned)) {
            self.bans.insert(racer, Some(is_banned));
        }
    }

    /// Waits until all works, and lifts all bans.
    pub(super) fn end(&mut self) {
        self.wait_live();
        for racer in 0..20 {
            let url = self.cluster.url(self.random.random_range(0..NODES));
            wait_for("a ban is lifted", || set_ban(&url, racer, false));
        }
    }

    /// Ends all switches of rules. Returns the rules.
    pub(super) fn end_rules(&mut self) -> &'static str {
        self.rules.end(self.cluster, &mut self.random)
    }

    /// Prints what happened.
    pub(super) fn report(&mut self) {
        self.recoveries.sort_unstable();
        let [half, most] = [self.recoveries.len() / 2, self.recoveries.len() - 1]
            .map(|at| self.recoveries[at].as_millis());
        eprintln!("faults: {:?}; {} complete switches of rules", self.counts, self.rules.complete);
        eprintln!("a generation answers reads again after {half} ms (median), {most} ms (maximum)");
    }
}

/// Bans a racer or lifts a ban. Returns whether the change is acknowledged.
fn set_ban(url: &str, racer: u32, is_banned: bool) -> bool {
    let url = format!("{url}/v1/bans/{racer}");
    let answer = if is_banned { agent().put(url).send_empty() } else { agent().delete(url).call() };
    let status = answer.map_or(0, |answer| answer.status().as_u16());
    assert!(matches!(status, 0 | 204 | 503 | 504), "{status}");
    status == 204
}
