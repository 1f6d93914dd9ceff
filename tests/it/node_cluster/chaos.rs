//! A cluster under random faults, changes of bans and switches of rules: each acknowledged event is in the results exactly
//! once, under the last rules, and every node that runs acknowledges events throughout.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::events::{CLIENTS, golden, send_lines};
use super::faults::{Chaos, NODES};
use super::outcome::wait_over;
use super::probes::Probes;
use super::proxy::Network;
use super::{NodeCluster, Options};
use crate::serving::{now_ms, wait_for};

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
    let rules = chaos.end_rules();
    chaos.report();
    assert_eq!(acknowledged.into_inner(), events.len());
    events.extend(probes.stop());

    cluster.stop_all();
    // 600 s later on the service's clock, all races are over.
    let from_ms = from_ms - 600_000 / (speed - 1);
    cluster.options.rules = rules;
    cluster.options.arguments = format!("--clock-speed {speed} --clock-from {from_ms}");
    cluster.start_all();
    cluster.wait_live();
    let expected = cluster.expected(&events);
    wait_over(cluster.node(0), expected.races());
    cluster.assert_outcome(&expected);
}
