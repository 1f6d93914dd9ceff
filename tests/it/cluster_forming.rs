//! How the processes of a replay find each other: who is refused by name, and who is ignored.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::hosts;
use crate::run::{Exit, Workplace, contents, sample};

fn workplace() -> Workplace {
    let place = Workplace::new();
    place.write("hosts", hosts());
    for name in ["a.jsonl", "b.jsonl", "c.jsonl"] {
        place.write(name, sample(9, 1, 1, 0.0));
    }
    place.write("rules.toml", "race_seconds = 60");
    place
}

pub(crate) fn exit(process: Child) -> Exit {
    let output = process.wait_with_output().unwrap();
    Exit {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A connection to process 0 of the cluster, once it listens.
pub(crate) fn connect(place: &Workplace) -> TcpStream {
    let hosts = std::fs::read_to_string(place.path("hosts")).unwrap();
    let address = hosts.lines().next().unwrap();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[test]
fn processes_that_differ_are_refused_by_name_everywhere() {
    let replay = "replay a.jsonl b.jsonl -w 2";
    for (first, second, part) in [
        (replay, "replay a.jsonl b.jsonl -w 1", "in number of workers (-w): 1 instead of 2"),
        (replay, "compare a.jsonl b.jsonl --rules rules.toml -w 2", "compare instead of replay"),
        (replay, "replay a.jsonl b.jsonl -w 2 --rules rules.toml", "in rules (--rules): "),
        (replay, "replay a.jsonl b.jsonl -w 2 --as-of 5", "in time (--as-of): 5 instead of none"),
        (
            replay,
            "replay a.jsonl -w 2",
            "in input 2: none instead of 'b.jsonl' (plain lines, 112 bytes)",
        ),
        (
            replay,
            "replay a.jsonl c.jsonl -w 2",
            "input 2: 'c.jsonl' (plain lines, 112 bytes) instead of 'b.jsonl'",
        ),
        (
            "compare a.jsonl --rules rules.toml",
            "compare a.jsonl --rules rules.toml --against rules.toml",
            "in rules to compare with (--against): ",
        ),
    ] {
        let place = workplace();
        let cluster = "-n 3 --hosts hosts --out out -p";
        // The third process is like the first. It must not run without the second.
        let processes = [(first, 0), (first, 2), (second, 1)];
        let processes = processes.map(|(own, p)| place.spawn(&format!("{own} {cluster} {p}")));
        for ended in processes.map(exit) {
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            assert!(ended.stderr.contains("process 1 at '127.0.0.1:"), "{}", ended.stderr);
            assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        }
        assert!(!place.path("out").exists());
    }
}

#[test]
fn clusters_of_different_sizes_are_refused() {
    for (first, second) in [(2, 3), (3, 2)] {
        let place = workplace();
        let last = second - 1;
        let processes = [(first, 0), (second, last)].map(|(n, p)| {
            place.spawn(&format!("replay a.jsonl --out out --hosts hosts -n {n} -p {p}"))
        });
        let part = format!("in number of processes (-n): {second} instead of {first}");
        for ended in processes.map(exit) {
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            assert!(ended.stderr.contains(&part), "{}", ended.stderr);
        }
    }
}

#[test]
fn files_with_the_same_name_and_another_size_are_refused() {
    let (here, there) = (workplace(), workplace());
    let hosts = std::fs::read(here.path("hosts")).unwrap();
    there.write("hosts", hosts);
    there.write("b.jsonl", "");
    let processes = [(&here, 0), (&there, 1)].map(|(place, p)| {
        place.spawn(&format!("replay a.jsonl b.jsonl --out out --hosts hosts -n 2 -p {p}"))
    });
    for ended in processes.map(exit) {
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        let part = "input 2: 'b.jsonl' (plain lines, 0 bytes) instead of 'b.jsonl' (plain lines, 112 bytes)";
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn another_build_is_refused() {
    let place = workplace();
    let process = place.spawn("replay a.jsonl --out out --hosts hosts -n 2 -p 0");
    let mut other = connect(&place);
    let version = env!("CARGO_PKG_VERSION");
    let settings = format!(r#"[["version","{version}"],["build","0123"],["new","setting"]]"#);
    let hello = format!(r#"{{"hello":{{"from":1,"to":0,"purpose":{{"control":{settings}}}}}}}"#);
    writeln!(other, "{hello}").unwrap();
    let mut replies = String::new();
    let mut reader = other.try_clone().unwrap();
    reader.read_to_string(&mut replies).unwrap();
    drop((reader, other));
    let ended = exit(process);
    assert_eq!(ended.code, 2);
    for text in [replies, ended.stderr] {
        assert!(text.contains("differs from process 0 in build: 0123 instead of "), "{text}");
    }
}

#[test]
fn missing_processes_are_named_in_time() {
    let place = workplace();
    let all = "replay a.jsonl --out out --hosts hosts -n 3 --wait-seconds 1";
    let begun = Instant::now();
    let processes = [0, 1].map(|p| place.spawn(&format!("{all} -p {p}")));
    let hosts = std::fs::read_to_string(place.path("hosts")).unwrap();
    let missing = hosts.lines().nth(2).unwrap();
    for ended in processes.map(exit) {
        assert_eq!(ended.code, 2);
        let part =
            format!("not all processes connected within 1 s; missing: process 2 at '{missing}'");
        assert!(ended.stderr.contains(&part), "{}", ended.stderr);
    }
    let ended = exit(place.spawn(&format!("{all} -p 1")));
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("cannot connect to process 0 at '"), "{}", ended.stderr);
    assert!(ended.stderr.contains("within 1 s: Connection refused"), "{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn strangers_neither_end_nor_delay_a_run() {
    let place = workplace();
    let all = "replay a.jsonl b.jsonl -w 1 --hosts hosts -n 2";
    let first = place.spawn(&format!("{all} --out out -p 0"));
    drop(connect(&place));
    for bytes in [
        "GET / HTTP/1.1\r\nHost: velodrome\r\n\r\n".as_bytes(),
        b"{}\n",
        b"\"heartbeat\"\n",
        br#"{"hello":{"from":1,"to":0,"purpose":{"link":{"run":1}}}}"#,
        &[0xff; 100_000],
    ] {
        let mut stranger = connect(&place);
        // The port may close the connection before it has read everything.
        _ = stranger.write_all(bytes);
        _ = stranger.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        _ = stranger.read_to_end(&mut reply);
        assert!(reply.is_empty(), "{}", String::from_utf8_lossy(&reply));
    }
    // They occupy all places until the process disconnects them.
    let silent: Vec<_> = (0..20).map(|_| connect(&place)).collect();
    let second = place.spawn(&format!("{all} --out out -p 1"));
    for ended in [first, second].map(exit) {
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    drop(silent);
    let alone = place.run("replay a.jsonl b.jsonl --out alone");
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    assert_eq!(contents(&place.path("out")), contents(&place.path("alone")));
}

#[test]
fn a_second_process_with_the_same_index_is_refused_and_the_run_continues() {
    let place = workplace();
    // A second process on the same address cannot listen, so it has an address of its own.
    let listed = std::fs::read_to_string(place.path("hosts")).unwrap();
    let (first_two, _) = listed.trim_end().rsplit_once('\n').unwrap();
    let others = hosts();
    place.write("others", format!("{first_two}\n{}", others.lines().last().unwrap()));
    let all = "replay a.jsonl --out out -n 3 --hosts";
    let mut processes: Vec<_> = [("hosts", 0), ("hosts", 2), ("others", 2)]
        .map(|(hosts, p)| place.spawn(&format!("{all} {hosts} -p {p}")))
        .into();
    // Either of the two may come first.
    let refused = loop {
        let ended = |process: &mut Child| process.try_wait().unwrap().is_some();
        match processes.iter_mut().position(ended) {
            Some(position) => break exit(processes.remove(position)),
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("the run has a process 2 already"), "{}", refused.stderr);
    processes.push(place.spawn(&format!("{all} hosts -p 1")));
    for ended in processes.into_iter().map(exit) {
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
}

#[test]
fn hosts_in_another_order_are_refused() {
    let place = workplace();
    let hosts = std::fs::read_to_string(place.path("hosts")).unwrap();
    let mut lines: Vec<_> = hosts.lines().collect();
    lines.swap(0, 1);
    place.write("swapped", lines.join("\n"));
    let all = "replay a.jsonl --out out -n 3 --wait-seconds 5";
    let first = place.spawn(&format!("{all} --hosts hosts -p 1"));
    let refused = exit(place.spawn(&format!("{all} --hosts swapped -p 2")));
    assert_eq!(refused.code, 2);
    let part = "this is process 1, not 0; list the hosts in the same order";
    assert!(refused.stderr.contains(part), "{}", refused.stderr);
    assert_eq!(exit(first).code, 2);
}
