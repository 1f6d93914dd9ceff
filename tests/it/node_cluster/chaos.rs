//! A cluster under random faults: each acknowledged event is in the results exactly once, and every node that runs
//! acknowledges events throughout.

use std::collections::BTreeMap;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::events::{CLIENTS, golden, send_lines};
use super::outcome::wait_over;
use super::probes::Probes;
use super::proxy::{Mode, Network};
use super::{NodeCluster, Options};
use crate::serving::{agent, get, now_ms, wait_for};

/// The number of nodes.
const NODES: usize = 3;

/// The time of the service's clock in which all events arrive. It is less than the repair window.
const EVENTS_SECONDS: u64 = 3_000;

/// The number of faults: few by default, more in a soak test.
fn faults() -> usize {
    env::var("VELODROME_TEST_FAULTS").map_or(10, |faults| faults.parse().unwrap())
}

#[test]
fn results_after_random_faults_equal_a_replay_byte_for_byte() {
    let seed = env::var("VELODROME_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (faults, mut random) = (faults(), Pcg64::seed_from_u64(seed));
    eprintln!("{faults} faults, seed {seed}");
    let mut events = golden(&mut random);
    let speed = (EVENTS_SECONDS / (5 * faults as u64)).clamp(2, 20);
    let from_ms = now_ms();
    let arguments = format!("--clock-speed {speed} --clock-from {from_ms}");
    let mut cluster =
        NodeCluster::create(Options { nodes: NODES, arguments, ..Options::default() });
    let network = Network::between(&cluster);
    cluster.start_all();
    cluster.wait_live();
    let probes = Probes::start(&cluster);
    let acknowledged = AtomicUsize::new(0);
    let mut moments: Vec<_> = (0..faults).map(|_| random.random_range(0..events.len())).collect();
    moments.sort_unstable();
    let urls: Vec<_> = (0..NODES).map(|node| cluster.url(node)).collect();
    let mut chaos = Chaos::new(&mut cluster, &network, &probes, random.next_u64());
    thread::scope(|scope| {
        // The pauses prolong the run, so that faults hit checkpoints, ends of rides and repairs too.
        let pause = Duration::from_millis(20 * faults as u64);
        for lines in events.chunks(events.len().div_ceil(CLIENTS)) {
            let (urls, acknowledged) = (&urls, &acknowledged);
            let mut random = Pcg64::seed_from_u64(random.next_u64());
            scope.spawn(move || send_lines(lines, urls, acknowledged, &mut random, pause));
        }
        for moment in moments {
            wait_for("events are acknowledged", || acknowledged.load(Ordering::Relaxed) > moment);
            chaos.cause_fault();
        }
        chaos.end();
    });
    chaos.report();
    assert_eq!(acknowledged.into_inner(), events.len());
    events.extend(probes.stop());

    cluster.stop_all();
    // 400 s later on the service's clock, all races are over.
    let from_ms = from_ms - 400_000 / (speed - 1);
    cluster.options.arguments = format!("--clock-speed {speed} --clock-from {from_ms}");
    cluster.start_all();
    cluster.wait_live();
    let expected = cluster.expected(&events);
    wait_over(cluster.node(0), expected.races());
    cluster.assert_outcome(&expected);
}

/// Causes faults, one after the other.
struct Chaos<'a> {
    cluster: &'a mut NodeCluster,
    network: &'a Network,
    probes: &'a Probes,
    random: Pcg64,
    /// Whether racers are banned, if it is known: a change that fails may be durable.
    bans: BTreeMap<u32, Option<bool>>,
    counts: BTreeMap<&'static str, usize>,
    /// How long it took until a generation answered reads again.
    recoveries: Vec<Duration>,
}

impl<'a> Chaos<'a> {
    fn new(
        cluster: &'a mut NodeCluster,
        network: &'a Network,
        probes: &'a Probes,
        seed: u64,
    ) -> Self {
        let (random, bans) = (Pcg64::seed_from_u64(seed), BTreeMap::new());
        let (counts, recoveries) = (BTreeMap::new(), Vec::new());
        Self { cluster, network, probes, random, bans, counts, recoveries }
    }

    fn cause_fault(&mut self) {
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

    /// Waits until a generation answers reads. All nodes then have all acknowledged bans.
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
    fn end(&mut self) {
        self.wait_live();
        for racer in 0..20 {
            let url = self.cluster.url(self.random.random_range(0..NODES));
            wait_for("a ban is lifted", || set_ban(&url, racer, false));
        }
    }

    fn report(&mut self) {
        self.recoveries.sort_unstable();
        let [half, most] = [self.recoveries.len() / 2, self.recoveries.len() - 1]
            .map(|at| self.recoveries[at].as_millis());
        eprintln!("faults: {:?}", self.counts);
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
