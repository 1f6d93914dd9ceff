//! The results of a cluster equal those of one process and of replays, byte for byte.

use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::events::{golden, random, send};
use super::outcome::{assert_outcome_of, races, wait_over};
use super::{NodeCluster, Options};
use crate::run::Workplace;
use crate::serving::{ServiceProcess, clock_ahead, now_ms};

/// A clock by which a race ends a few seconds after its events.
fn fast_clock() -> String {
    format!("--clock-speed 60 --clock-from {}", now_ms())
}

#[test]
fn results_of_the_sample_equal_those_of_a_replay_with_1_worker() {
    results_of_the_sample_equal_those_of_a_replay(1);
}

#[test]
fn results_of_the_sample_equal_those_of_a_replay_with_2_workers() {
    results_of_the_sample_equal_those_of_a_replay(2);
}

fn results_of_the_sample_equal_those_of_a_replay(workers: usize) {
    let mut rng = Pcg64::seed_from_u64(workers as u64);
    let events = golden(&mut rng);
    let options = Options { workers, arguments: fast_clock(), ..Options::default() };
    let mut cluster = NodeCluster::start(options);
    let expected = cluster.expected(&events);
    send(&cluster, &events, &mut rng);
    wait_over(cluster.node(0), expected.races());
    cluster.assert_outcome(&expected);
}

#[test]
fn results_of_random_events_equal_those_of_one_process_and_survive_a_restart() {
    for (seed, workers, has_certificates) in [(1, 1, true), (2, 2, false)] {
        let mut rng = Pcg64::seed_from_u64(seed);
        let events = random(6_000, &mut rng);
        let options = Options { workers, has_certificates, ..Options::default() };
        let mut cluster = NodeCluster::start(options);
        send(&cluster, &events, &mut rng);
        cluster.stop_all();
        // After 400 s all races are over.
        let clock = clock_ahead(400);
        cluster.options.arguments.clone_from(&clock);
        cluster.start_all();
        cluster.wait_live();
        wait_over(cluster.node(2), 6);
        let of_cluster = races(cluster.node(1));
        let expected = cluster.expected(&events);
        cluster.assert_outcome(&expected);

        let place = Workplace::new();
        let alone = ServiceProcess::start(&place.path("data"), "--workers 2");
        events.chunks(500).for_each(|batch| drop(alone.post(&batch.join("\n"))));
        assert_eq!(alone.stop(), 0);
        let alone = ServiceProcess::start(&place.path("data"), &clock);
        wait_over(&alone, 6);
        assert_eq!(without_starts(races(&alone)), without_starts(of_cluster), "seed {seed}");
        let what = format!("one process, seed {seed}");
        assert_outcome_of(&alone, &place.path("data"), &expected, &what);
        assert_eq!(alone.stop(), 0);
    }
}

/// Races without their start times, which differ between two services.
fn without_starts(mut races: Vec<serde_json::Value>) -> Vec<serde_json::Value> {
    for race in &mut races {
        race.as_object_mut().unwrap().remove("startedAt").unwrap();
    }
    races
}
