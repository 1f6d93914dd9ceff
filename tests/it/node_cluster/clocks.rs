//! Nodes whose clocks differ.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{NodeCluster, Options, note};
use crate::run::view;
use crate::serving::{get, now_ms, wait_for};

/// The library that sets the clock of a process, if it is installed. `scripts/soak` installs it.
fn faketime() -> Option<PathBuf> {
    let found = Command::new("find").args(["/usr/lib", "-name", "libfaketimeMT.so.1"]).output();
    let text = String::from_utf8(found.ok()?.stdout).unwrap();
    text.lines().next().map(PathBuf::from)
}

/// The environment of a node whose clock differs by `difference`, such as `+1d`.
fn environment(library: &Path, difference: &str) -> Vec<(String, String)> {
    [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", difference.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[test]
fn a_node_whose_clock_is_a_day_ahead_is_refused_and_the_others_keep_their_time() {
    let Some(library) = faketime() else {
        assert!(std::env::var_os("VELODROME_TEST_FAKETIME").is_none());
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    for node in [2, 0] {
        let mut cluster = NodeCluster::create(Options::default());
        for other in (0..3).filter(|other| *other != node) {
            cluster.start_node(other);
        }
        cluster.start_node_in(node, &environment(&library, "+1d"));
        for refused in if node == 0 { vec![1, 2] } else { vec![2] } {
            let order = if node == 0 { "behind" } else { "ahead of" };
            let reason = cluster.wait_note(refused, &format!("s {order} that of node 0"));
            assert!(reason.contains("set the clocks, for example with NTP"), "{reason}");
        }
        cluster.stop(node);
        // Their clocks have not followed the wrong one.
        cluster.start_node(node);
        // A node that has no events may start at any time.
        cluster.wait_live();
        let token = cluster.node(node).post(&view(1, "a"));
        for reader in cluster.running() {
            let projects = reader.get(&format!("/v1/projects?after={token}"));
            let as_of = projects["asOf"].as_u64().unwrap();
            assert!(as_of < now_ms() + 60_000, "{as_of}");
        }
    }
}

#[test]
fn a_node_whose_clock_is_500_ms_late_does_not_delay_results() {
    let Some(library) = faketime() else {
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    let mut cluster = NodeCluster::create(Options::default());
    cluster.start_node(0);
    cluster.start_node(1);
    cluster.start_node_in(2, &environment(&library, "-0.5"));
    cluster.wait_live();
    for round in 0..10 {
        let token = cluster.node(round % 3).post(&view(1, &round.to_string()));
        let read = cluster.node((round + 1) % 3).get(&format!("/v1/projects/p?after={token}"));
        assert_eq!(read["views"], round + 1);
    }
    assert_eq!(note(cluster.node(2)).unwrap(), "");
    wait_for("the difference is reported", || {
        let notes = get(&format!("{}/readyz", cluster.node(2).url)).1["notes"].to_string();
        !notes.contains("behind")
    });
}
