//! Generations compute exact results, and leave nothing behind.

use std::env;
use std::fs;
use std::panic;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::certificates::Ca;
use super::counting::{Generation, reason};

#[test]
fn counts_are_exact() {
    let ca = Ca::new();
    let identities = ca.identities(3);
    for nodes in 1..=3 {
        for workers in 1..=2 {
            for identities in [None, Some(&identities[..])] {
                let generation = Generation::start(nodes, workers, 50, identities);
                generation.check_all();
                generation.end();
            }
        }
    }
}

/// What happens to a generation.
#[derive(Clone, Copy, Debug)]
enum Incident {
    None,
    /// A connection breaks.
    Cut,
    /// A node ends while the others compute.
    Kill,
}

/// A generation with an incident after some completed rounds.
fn run_generation(number: usize, ca: &Ca) {
    let (nodes, workers) = (2 + number % 2, 1 + number / 2 % 2);
    let incident = [Incident::Cut, Incident::Kill, Incident::None][number % 3];
    // Changes with the number in no simple way (Knuth's multiplicative hash).
    let random = number.wrapping_mul(2_654_435_761) >> 7;
    let rounds = if matches!(incident, Incident::None) { 20 } else { 1_000_000 };
    let identities = ca.identities(nodes);
    let identities = (number % 5 < 2).then_some(&identities[..]);
    let mut generation = Generation::start(nodes, workers, rounds, identities);
    if matches!(incident, Incident::None) {
        generation.check_all();
    } else {
        (0..random % 40).for_each(|_| assert!(generation.check_next()));
    }
    let victim = random % nodes;
    match incident {
        Incident::None => {}
        Incident::Cut => {
            let link = generation.links[victim].iter().flatten().next();
            link.map(|peer| peer.connection.shutdown()).unwrap();
            let reason = reason(&generation.fates[victim], PATIENCE);
            assert!(reason.contains("is lost"), "{reason}");
        }
        Incident::Kill => generation.meshes.remove(victim).end("killed").unwrap(),
    }
    if matches!(incident, Incident::Kill) {
        for (node, fate) in generation.fates.iter().enumerate() {
            let lost = if node == victim { "killed" } else { &format!("node {victim} is lost") };
            let reason = reason(fate, PATIENCE);
            assert!(reason.contains(lost), "{reason}");
        }
    }
    generation.end();
}

/// The threads and open files of this process. On Linux only, as the service.
fn resources() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"].map(|path| fs::read_dir(path).unwrap().count())
}

/// The environment variable of a process that runs one test alone.
const ALONE: &str = "VELODROME_TEST_ALONE";

/// Other tests change the threads and files of this process, so this one runs in a process of its own.
#[test]
fn generations_leave_no_thread_and_no_socket() {
    let name = "generations_leave_no_thread_and_no_socket";
    if env::var_os(ALONE).is_none() {
        let full_name = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
        let mut test = Command::new(env::current_exe().unwrap());
        let output = test.env(ALONE, "1").args(["--exact", &full_name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
        return;
    }
    let panics = Arc::new(AtomicUsize::new(0));
    let previous = panic::take_hook();
    panic::set_hook({
        let panics = Arc::clone(&panics);
        Box::new(move |info| {
            panics.fetch_add(1, Ordering::SeqCst);
            previous(info);
        })
    });
    let ca = Ca::new();
    // The first one may initialise what remains.
    run_generation(2, &ca);
    let before = resources();
    for number in 0..30 {
        run_generation(number, &ca);
    }
    // A thread that was joined remains visible for a moment.
    let deadline = Instant::now() + Duration::from_secs(5);
    while resources() != before && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(resources(), before, "[threads, files]");
    assert_eq!(panics.load(Ordering::SeqCst), 0, "panics");
}
