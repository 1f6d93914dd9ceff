//! A simulation of the complete service: real log, engine, checkpoint, publisher, dead letters, bans and rules on
//! a simulated disk, with simulated clocks. Each step, fault and crash comes from a seed.
//!
//! `VELODROME_SIMULATE=A..B` selects the seeds. See docs/design/simulation.md.

mod checks;
mod clocks;
mod derived;
mod events;
mod instance;
mod machine;
mod model;
mod posts;
mod reads;
mod requests;
mod run;
mod stored;

use std::env;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// The seeds of a test run: first and end.
const SEEDS: (u64, u64) = (0, 500);

fn seeds() -> (u64, u64) {
    let Ok(range) = env::var("VELODROME_SIMULATE") else { return SEEDS };
    let (first, end) = range.split_once("..").unwrap();
    (first.parse().unwrap(), end.parse().unwrap())
}

#[test]
fn no_seed_loses_or_doubles_anything() {
    let (first, end) = seeds();
    let (next, failed, began) = (AtomicU64::new(first), AtomicBool::new(false), Instant::now());
    let run_all = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let outcome = panic::catch_unwind(|| run::run(seed, end - first == 1));
            if outcome.is_err() && !failed.swap(true, Ordering::Relaxed) {
                eprintln!(
                    "seed {seed} fails; repeat it: scripts/soak --simulate --seeds {seed}..{}",
                    seed + 1
                );
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run_all))));
    assert!(!failed.into_inner());
    eprintln!("{} seeds in {:.0} s", end - first, began.elapsed().as_secs_f64());
}
