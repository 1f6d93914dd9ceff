//! Replays with any number of workers and processes, of one file or of archive objects.

use std::net::TcpListener;
use std::thread;

use crate::run::{Workplace, contents};

/// Half an hour of simulated events with duplicates, disorder, a late event, an outlier and bad lines.
fn simulated() -> Workplace {
    let place = Workplace::new();
    let arguments = "--hours 0.5 --racers 300 --concurrent 60 --duplicates 0.02 --views 0.2";
    let ended = place.run(&format!("simulate {arguments} --out clean.jsonl"));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let text = std::fs::read_to_string(place.path("clean.jsonl")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let late = lines[10].replace("\"cadence\":", "\"cadence\":9");
    let outlier = lines[20].replace("\"deviceTimestamp\":16", "\"deviceTimestamp\":99");
    for (at, line) in
        [(70_000, late.as_str()), (50_000, &outlier), (30_000, "{}"), (9, "x"), (7, "")]
    {
        lines.insert(at, line);
    }
    place.write("in/events.jsonl", lines.join("\n"));
    let ended = place.run(&format!("simulate {arguments} --out gz/"));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    place
}

/// A host file with three free ports of this machine, for a cluster of two or three processes.
pub(crate) fn hosts() -> String {
    let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    free.map(|host| host.local_addr().unwrap().to_string() + "\n").concat()
}

#[test]
fn clusters_of_any_size_write_the_same_bytes() {
    let place = simulated();
    let ended = place.run("batch in --out batch");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let summary = place.json("batch/summary.json");
    assert_eq!(summary["rejected"], 2);
    for workers in [1, 2, 4] {
        let ended = place.run(&format!("replay in --out w{workers} -w {workers}"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(contents(&place.path("w1")), contents(&place.path(&format!("w{workers}"))));
    }
    let verified = place.run("verify batch w1");
    assert_eq!(verified.code, 0, "{}", verified.stdout);

    place.write("hosts", hosts());
    thread::scope(|scope| {
        for process in [0, 1] {
            let place = &place;
            scope.spawn(move || {
                let cluster = format!("-n 2 -p {process} --hosts hosts -w 2");
                let ended = place.run(&format!("replay in --out p{process} {cluster}"));
                assert_eq!(ended.code, 0, "{}", ended.stderr);
            });
        }
    });
    assert_eq!(contents(&place.path("w1")), contents(&place.path("p0")));
    assert!(!place.path("p1").exists(), "only process 0 writes results");
}

#[test]
fn archive_objects_and_their_concatenation_give_the_same_results() {
    let place = simulated();
    for (input, out) in [("gz", "from-objects"), ("clean.jsonl", "from-one-file")] {
        let ended = place.run(&format!("replay {input} --out {out} -w 2"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    assert_eq!(contents(&place.path("from-objects")), contents(&place.path("from-one-file")));
}

#[test]
fn invalid_cluster_arguments_are_refused() {
    let place = Workplace::new();
    place.write("in.jsonl", "");
    place.write("hosts", "127.0.0.1:1\n");
    place.write("no-port", "127.0.0.1:1\nlocalhost\n");
    place.write("unknown", "127.0.0.1:1\nno-such-host.invalid:1\n");
    place.write("same", "127.0.0.1:1\n127.0.0.1:1\n");
    place.write("reachable", "127.0.0.1:1\n192.0.2.1:1\n");
    for (arguments, part) in [
        ("-n 2", "--hosts"),
        ("-n 2 --hosts hosts", "lists 1 hosts for 2 processes"),
        ("-n 2 -p 2 --hosts hosts", "-p 2"),
        ("-n 2 --hosts none", "cannot read the host file 'none'"),
        ("-n 2 --hosts no-port", "line 2 of 'no-port' is 'localhost', which is no address"),
        ("-n 2 --hosts unknown", "cannot find the host of 'no-such-host.invalid:1'"),
        ("-n 2 --hosts same", "'127.0.0.1:1' and '127.0.0.1:1' the same address"),
        (
            "-n 2 --hosts reachable",
            "the host '192.0.2.1:1' is not loopback, so processes need certificates: give --certs DIR",
        ),
        ("-w 0", "--workers"),
    ] {
        let ended = place.run(&format!("replay in.jsonl --out out {arguments}"));
        assert_eq!(ended.code, 2, "{arguments}");
        assert!(ended.stderr.contains(part), "{arguments}: {}", ended.stderr);
        assert!(!place.path("out").exists(), "{arguments}");
    }
}

#[test]
fn inputs_within_out_are_refused_and_not_changed() {
    let place = Workplace::new();
    place.write("out/rejected.jsonl", "precious");
    for command in ["replay", "batch"] {
        let ended = place.run(&format!("{command} out/rejected.jsonl --out out"));
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains("give another --out"), "{}", ended.stderr);
        assert_eq!(std::fs::read(place.path("out/rejected.jsonl")).unwrap(), b"precious");
    }
}
