//! The service under `kill -9`: it has each acknowledged event exactly once, and nothing else.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::crashes::Machine;
use crate::golden::alleycat;
use crate::run::{Workplace, contents};
use crate::served_results::{leaderboard, results, views};
use crate::serving::{ServiceProcess, post, wait_for};

const CLIENTS: usize = 8;

/// The number of kills: few by default, more in a soak test.
fn kills() -> usize {
    env::var("VELODROME_TEST_KILLS").map_or(3, |kills| kills.parse().unwrap())
}

#[test]
fn results_after_kills_equal_a_replay_byte_for_byte() {
    let golden = alleycat().join("events.jsonl.gz");
    let seed = env::var("VELODROME_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (kills, mut random) = (kills(), Pcg64::seed_from_u64(seed));
    eprintln!("{kills} kills, seed {seed}");
    let (place, events) = (Workplace::new(), events(&golden, &mut random));
    place.write("events.jsonl", events.join("\n"));
    let replayed = place.run("replay events.jsonl --out expected");
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);

    let mut machine = Machine::new(&place.path(""), kills, Pcg64::seed_from_u64(random.next_u64()));
    let mut serving = machine.start();
    let (url, acknowledged) = (Mutex::new(serving.url.clone()), AtomicUsize::new(0));
    let mut moments: Vec<_> = (0..kills).map(|_| random.random_range(0..events.len())).collect();
    moments.sort_unstable();
    thread::scope(|scope| {
        for lines in events.chunks(events.len().div_ceil(CLIENTS)) {
            let (url, acknowledged) = (&url, &acknowledged);
            let random = Pcg64::seed_from_u64(random.next_u64());
            // The pauses prolong the run, so that kills hit checkpoints, ends of rides and repairs too.
            let pause_ms = 100 * kills as u64 + 1;
            scope.spawn(move || client(lines, url, acknowledged, random, pause_ms));
        }
        for moment in moments {
            wait_for("events are acknowledged", || acknowledged.load(Ordering::Relaxed) > moment);
            machine.step_clock();
            thread::sleep(Duration::from_millis(random.random_range(0..50)));
            // The killed process must end before the next one locks the directory, so `crash` consumes
            // it.
            let killed = std::mem::replace(&mut serving, ServiceProcess::without_process());
            machine.crash(killed);
            serving = machine.start();
            url.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&serving.url);
        }
    });
    assert_eq!(acknowledged.into_inner(), events.len());

    serving = machine.finish_races(serving);
    let expected = |name: &str| fs::read_to_string(place.path("expected").join(name)).unwrap();
    assert!(results(&serving) == expected("results.jsonl"), "results");
    assert!(leaderboard(&serving) == expected("leaderboard.json"), "leaderboard");
    assert!(views(&serving) == expected("views.json"), "views");
    assert_eq!(serving.stop(), 0);
    let published = fs::read_dir(place.path("data/history")).unwrap();
    let published = published.map(|entry| entry.unwrap().path());
    let published: BTreeMap<_, _> = published
        .map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    let history = contents(&place.path("expected")).into_iter();
    let history: BTreeMap<_, _> = history
        .filter(|(path, _)| path.starts_with("history"))
        .map(|(path, bytes)| (path.file_name().unwrap().to_owned(), bytes))
        .collect();
    assert!(published == history, "history objects");

    // A replay of the archive and the segments has the same results.
    let again = place.replay_stored("data", "again");
    assert_eq!(again.code, 0, "{}", again.stderr);
    let verified = place.run("verify expected again");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    machine.report();
}

/// The events of the sample data and 3,000 views, a tenth of them duplicates, in random order.
fn events(golden: &Path, random: &mut Pcg64) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(golden).unwrap()).read_to_string(&mut text).unwrap();
    let mut events: Vec<_> = text.lines().map(str::to_owned).collect();
    for view in 0..3_000 {
        // The last of ten views is a duplicate of the ninth.
        let uuid = view - view % 10 / 9;
        let (project, duration) = (uuid % 7, uuid);
        let kind = if uuid % 3 == 0 { "view" } else { "watch" };
        events.push(format!(
            r#"{{"event":"{kind}","uuid":"{uuid}","projectId":"p{project}","durationMs":{duration},"deviceTimestamp":1620240001114}}"#
        ));
    }
    for at in (1..events.len()).rev() {
        events.swap(at, random.random_range(0..=at));
    }
    events
}

/// Posts all lines in batches of random size, each until it is acknowledged.
fn client(
    lines: &[String],
    url: &Mutex<String>,
    acknowledged: &AtomicUsize,
    mut random: Pcg64,
    pause_ms: u64,
) {
    let mut rest = lines;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(random.random_range(1..=400).min(rest.len()));
        rest = after;
        let body = batch.join("\n");
        wait_for("a batch is acknowledged", || {
            let url = url.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match post(&url, &body) {
                Ok((200, answer)) => {
                    assert_eq!(answer["accepted"], batch.len(), "{answer}");
                    true
                }
                Ok((503 | 429, _)) | Err(_) => false,
                Ok((status, answer)) => panic!("{status}: {answer}"),
            }
        });
        acknowledged.fetch_add(batch.len(), Ordering::Relaxed);
        thread::sleep(Duration::from_millis(random.random_range(0..pause_ms)));
    }
}
