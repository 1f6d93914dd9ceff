//! The bound on open rides in a replay: an event that would open one more ride is rejected, as in a batch.

use std::thread;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

use crate::cluster::hosts;
use crate::run::{Workplace, contents, gzip, sample, view};

const MINUTE: u64 = 60_000;

/// The reason of a rejection at the bound `max`.
pub(crate) fn reason(max: usize) -> String {
    format!(
        "its ride cannot start because the maximum of {max} open rides is reached; raise --open-rides, or send \
         it again later"
    )
}

/// A sample of racer `racer` in race `race`.
fn of_race(race: u64, device_ms: u64, racer: u32, second: u16) -> String {
    sample(device_ms, racer, second, 0.0).replace(r#""raceId":7"#, &format!(r#""raceId":{race}"#))
}

#[test]
fn rejects_new_rides_until_an_open_one_is_past_its_repair_window() {
    let place = Workplace::new();
    // The first sample is at second 300, so the ride closes after the grace of a minute, and its repair
    // window ends an hour later.
    let over = 61 * MINUTE;
    let lines = [
        sample(0, 1, 300, 0.0),
        sample(MINUTE, 2, 299, 0.0),
        sample(2 * MINUTE, 3, 1, 0.0),
        // Known rides and views are accepted at the bound.
        sample(3 * MINUTE, 1, 299, 0.0),
        view(4 * MINUTE, "v"),
        sample(over, 3, 2, 0.0),
        sample(over + 1, 3, 3, 0.0),
        sample(over + 2, 4, 1, 0.0),
        // Late, and the ride is not open. It is known, so it opens nothing.
        sample(over + 3, 1, 298, 0.0),
    ];
    // Each event is at most ten minutes ahead of the event clock, so that it moves the clock.
    let clock = (5..over / MINUTE).step_by(5).map(|minute| view(minute * MINUTE, "v"));
    let mut all = lines.to_vec();
    all.splice(5..5, clock);
    place.write("events.jsonl", all.join("\n"));
    let ended = place.run_both("events.jsonl --out out --open-rides 2", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let number = |line: &String| all.iter().position(|other| other == line).unwrap() + 1;
    let letter = |line: &String| json!({"file": "events.jsonl", "line": number(line), "reason": reason(2), "text": line});
    let rejected = [&lines[2], &lines[5], &lines[7]];
    assert_eq!(place.json_lines("out/rejected.jsonl"), rejected.map(letter));
    let summary = place.json("out/summary.json");
    let counts = ["rejected", "late", "rides"].map(|count| summary[count].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 3]);
    let third = &place.json_lines("out/results.jsonl")[2];
    assert_eq!((&third["racerId"], &third["seconds"]), (&json!(3), &json!(1)));
}

/// Lines with samples of rides with few seconds, over several hours, in the order of the clock.
fn random_lines(random: &mut Pcg64) -> Vec<String> {
    let (mut now, mut lines) = (1_000, Vec::new());
    for _ in 0..random.random_range(50..400) {
        now += match random.random_range(0..10) {
            0 => random.random_range(0..9 * MINUTE),
            _ => random.random_range(0..20_000),
        };
        let (race, racer) = (random.random_range(1..6), random.random_range(0..8));
        let sample = of_race(race, now, racer, random.random_range(1..=305));
        match (random.random_range(0..20), lines.last_mut()) {
            (0, _) => lines.push(view(now, &now.to_string())),
            (1, _) => lines.push("bad".to_owned()),
            (2, Some(line)) if line != "bad" => line.push_str(&sample),
            _ => lines.push(sample),
        }
    }
    lines
}

#[test]
fn decisions_equal_those_of_batch_for_any_cut_workers_and_processes() {
    for seed in 0..12 {
        let (place, mut random) = (Workplace::new(), Pcg64::seed_from_u64(seed));
        let lines = random_lines(&mut random);
        place.write("events.jsonl", lines.join("\n"));
        place.write("rules.toml", "excluded_racers = [3]\nrace_seconds = 290");
        let max = random.random_range(1..12);
        let bound = format!("--open-rides {max} --rules rules.toml");
        // Files of any size, plain or gzip.
        let (mut rest, mut file) = (&lines[..], 0);
        while !rest.is_empty() {
            let (some, after) = rest.split_at(random.random_range(1..=rest.len()));
            let text = some.join("\n") + "\n";
            match random.random_bool(0.5) {
                true => place.write(&format!("cut/{file}.jsonl"), text),
                false => place.write(&format!("cut/{file}.gz"), gzip(text.as_bytes())),
            }
            (rest, file) = (after, file + 1);
        }
        let rejected = |out: &str| -> Vec<Value> {
            let letters = place.json_lines(&format!("{out}/rejected.jsonl"));
            letters.iter().map(|letter| letter["text"].clone()).collect()
        };
        for input in ["events.jsonl", "cut"] {
            let ended = place.run(&format!("batch {input} --out batch {bound}"));
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            assert!(rejected("batch").len() > lines.len() / 30, "seed {seed}");
            for workers in [1, 2, 4] {
                let ended = place.run(&format!("replay {input} --out out {bound} -w {workers}"));
                assert_eq!(ended.code, 0, "{}", ended.stderr);
                let verified = place.run("verify batch out");
                assert_eq!(verified.code, 0, "seed {seed}, {input}: {}", verified.stdout);
                let late = |out: &str| place.json(&format!("{out}/summary.json"))["late"].clone();
                assert_eq!(late("out"), late("batch"), "seed {seed}");
            }
        }
        let expected = rejected("batch");
        let ended = place.run(&format!("replay events.jsonl --out one {bound}"));
        assert_eq!((ended.code, rejected("one")), (0, expected), "seed {seed}: cut and not cut");
        if seed % 4 == 0 {
            place.write("hosts", hosts());
            thread::scope(|scope| {
                for process in [0, 1] {
                    let (place, bound) = (&place, &bound);
                    scope.spawn(move || {
                        let cluster = format!("-n 2 -p {process} --hosts hosts -w 2");
                        let ended = place.run(&format!("replay cut --out two {bound} {cluster}"));
                        assert_eq!(ended.code, 0, "{}", ended.stderr);
                    });
                }
            });
            assert_eq!(contents(&place.path("out")), contents(&place.path("two")), "seed {seed}");
        }
    }
}

#[test]
fn decisions_on_merged_partitions_equal_those_of_batch() {
    for seed in 0..8 {
        let (place, mut random) = (Workplace::new(), Pcg64::seed_from_u64(seed));
        let mut partitions = [const { String::new() }; 3];
        for line in random_lines(&mut random) {
            partitions[random.random_range(0..3)].push_str(&(line + "\n"));
        }
        let [first, second, third] = partitions;
        place.write("1.jsonl", first);
        place.write("2.gz", gzip(second.as_bytes()));
        let (before, after) = third.split_at(third.find('\n').unwrap() + 1);
        place.write("3/a.jsonl", before);
        place.write("3/b.jsonl", after);
        for as_of in ["", "--as-of 5000000"] {
            let bound = random.random_range(1..8);
            let run = format!("1.jsonl 2.gz 3 --merge --out out --open-rides {bound} {as_of}");
            let ended = place.run_both(&run, &[], b"");
            assert_eq!(ended.code, 0, "seed {seed}: {}", ended.stderr);
            let rejected = place.json("out/summary.json")["rejected"].as_u64().unwrap();
            assert!(rejected > 0, "seed {seed}");
        }
    }
}

#[test]
fn a_comparison_counts_rides_under_either_rules() {
    let place = Workplace::new();
    let lines: Vec<_> = (1..=4).map(|racer| sample(racer.into(), racer, 1, 0.0)).collect();
    place.write("events.jsonl", lines.join("\n"));
    place.write("old.toml", "excluded_racers = [1, 2]");
    place.write("new.toml", "excluded_racers = [1]");
    // Racer 1 opens no ride under any rules, racer 2 under the new ones.
    for (max, rejected) in [(1, 2), (2, 1), (3, 0)] {
        let ended = place.run(&format!(
            "compare events.jsonl --rules new.toml --against old.toml --out out --open-rides {max}"
        ));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(place.json("out/summary.json")["rejected"], rejected);
        assert_eq!(place.json_lines("out/rejected.jsonl").len(), rejected);
    }
}
