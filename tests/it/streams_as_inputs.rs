//! Inputs that can be read only once: standard input, pipes and devices.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;

use crate::cluster::hosts;
use crate::cluster_forming::exit;
use crate::run::{Workplace, contents, sample};

/// A directory with a pipe, links to it, and a file.
fn workplace() -> Workplace {
    let place = Workplace::new();
    place.write("in.jsonl", sample(9, 1, 1, 0.0));
    place.write("rules.toml", "");
    std::fs::create_dir(place.path("in")).unwrap();
    let made = Command::new("mkfifo").arg(place.path("in/pipe")).status().unwrap();
    assert!(made.success());
    symlink("in/pipe", place.path("link")).unwrap();
    place
}

#[test]
fn a_stream_that_is_given_twice_is_refused_by_every_command() {
    let place = workplace();
    let commands = [
        "replay --out out -w 2",
        "batch --out out",
        "compare --rules rules.toml --out out",
        "simulate --to http://127.0.0.1:1 --events",
    ];
    for command in commands {
        for (paths, part) in [
            ("- -", "'-' and '-'"),
            ("- in.jsonl /dev/stdin", "'-' and '/dev/stdin'"),
            ("in/pipe in/pipe", "'in/pipe' and 'in/pipe'"),
            ("in/pipe link", "'in/pipe' and 'link'"),
            ("in in.jsonl in/pipe", "'in/pipe' and 'in/pipe'"),
        ] {
            let ended = place.run(&format!("{command} {paths}"));
            assert_eq!(ended.code, 2, "{command} {paths}: {}", ended.stderr);
            let part = format!("{part} are the same stream");
            assert!(ended.stderr.contains(&part), "{command} {paths}: {}", ended.stderr);
            assert!(!place.path("out").exists());
        }
    }
}

#[test]
fn a_stream_is_not_both_an_input_and_another_file_of_the_run() {
    let place = workplace();
    for arguments in [
        "replay - --rules /dev/stdin --out out",
        "batch - --rules /dev/stdin --out out",
        "compare - --rules /dev/stdin --out out",
        "compare in.jsonl --rules /dev/stdin --against /dev/stdin --out out",
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 2, "{arguments}: {}", ended.stderr);
        assert!(ended.stderr.contains("are the same stream"), "{arguments}: {}", ended.stderr);
    }
    let ended =
        place.run_with("replay in.jsonl --rules /dev/stdin --out out", &[], b"divisor = 50");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn a_file_may_be_given_twice_and_next_to_streams() {
    let place = workplace();
    let writer = thread::spawn({
        let (pipe, text) = (place.path("in/pipe"), sample(9, 2, 1, 0.0));
        move || std::fs::write(pipe, text).unwrap()
    });
    let racer = sample(9, 3, 1, 0.0);
    let paths = "in.jsonl - link in.jsonl";
    let ended = place.run_with(&format!("replay {paths} --out out -w 3"), &[], racer.as_bytes());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    writer.join().unwrap();
    assert_eq!(place.json("out/summary.json")["events"], 4);
    assert_eq!(place.json("out/summary.json")["rides"], 3);
}

#[test]
fn only_process_0_reads_streams() {
    let place = workplace();
    place.write("hosts", hosts());
    let all = "--out out -n 2 --hosts hosts -w 1";
    for (command, path) in [
        ("replay", "-"),
        ("compare --rules rules.toml", "-"),
        ("replay", "/dev/stdin"),
        ("replay", "in/pipe"),
        ("replay", "in"),
    ] {
        let ended = place.run(&format!("{command} in.jsonl {path} {all} -p 1"));
        assert_eq!(ended.code, 2, "{path}: {}", ended.stderr);
        assert!(ended.stderr.contains("process 1 cannot read '"), "{path}: {}", ended.stderr);
        assert!(ended.stderr.contains("only process 0 reads standard input"), "{}", ended.stderr);
    }

    place.write("stdin", sample(9, 2, 1, 0.0));
    let alone = place.spawn_reading("replay in.jsonl - --out alone", open(&place, "stdin"));
    let first =
        place.spawn_reading(&format!("replay in.jsonl - {all} -p 0"), open(&place, "stdin"));
    let null = File::open("/dev/null").unwrap();
    let second = place.spawn_reading(&format!("replay in.jsonl - {all} -p 1"), null);
    for ended in [alone, first, second].map(exit) {
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    assert_eq!(contents(&place.path("out")), contents(&place.path("alone")));
    assert_eq!(place.json("out/summary.json")["events"], 2);
}

fn open(place: &Workplace, name: &str) -> File {
    File::open(place.path(name)).unwrap()
}

#[test]
fn links_that_lead_back_to_themselves_are_skipped_with_a_note() {
    let place = workplace();
    place.write("days/1/a.jsonl", sample(9, 1, 1, 0.0));
    place.write("days/2/a.jsonl", sample(9, 2, 1, 0.0));
    symlink("..", place.path("days/1/up")).unwrap();
    symlink("self", place.path("days/2/self")).unwrap();
    let ended = place.run_both("days --out out", &[], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(place.json("out/summary.json")["events"], 2);
    for link in ["days/1/up", "days/2/self"] {
        let note = format!("skipped '{link}', a symbolic link that leads back to itself");
        assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    }
}
