//! Nodes that return with another data directory, and nodes whose disk is full.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{NodeCluster, Options};
use crate::full_disk::Disk;
use crate::run::{sample, view};
use crate::serving::{get, now_ms, post, wait_for};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// Sends a view to each node, and returns the last token.
fn send_to_all(cluster: &NodeCluster, round: usize) -> String {
    let uuid = |node: usize| format!("{round}-{node}");
    let [_, _, last] = [0, 1, 2].map(|node| cluster.node(node).post(&view(1, &uuid(node))));
    last
}

/// A cluster whose clock runs so fast that a segment of the log is sealed after a second.
fn sealing() -> Options {
    let arguments = format!("--clock-speed 60 --clock-from {}", now_ms());
    Options { arguments, ..Options::default() }
}

/// The number of objects in the archive of a node.
fn objects(cluster: &NodeCluster, node: usize) -> usize {
    let archive = cluster.place.path(&format!("archive/node-{node}"));
    if !archive.exists() {
        return 0;
    }
    let found =
        Command::new("find").arg(archive).args(["-name", "velodrome*.gz"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().count()
}

#[test]
fn a_node_without_its_data_comes_back_with_what_is_archived() {
    for node in [1, 0] {
        let mut cluster = NodeCluster::start(sealing());
        send_to_all(&cluster, 0);
        wait_for("all segments are archived", || (0..3).all(|node| objects(&cluster, node) == 1));
        cluster.kill(node);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        cluster.start_node(node);
        cluster.wait_live();
        let token = send_to_all(&cluster, 1);
        for node in cluster.running() {
            assert_eq!(node.get(&format!("/v1/projects/p?after={token}"))["views"], 6);
        }
        assert_eq!(cluster.replay("replayed")["events"], 6);
    }
}

#[test]
fn a_node_without_its_data_and_its_archive_is_refused_until_it_has_the_archive_or_accepts_the_loss()
{
    for node in [1, 0] {
        let mut cluster = NodeCluster::start(sealing());
        send_to_all(&cluster, 0);
        wait_for("all segments are archived", || (0..3).all(|node| objects(&cluster, node) == 1));
        let (archive, away) = (format!("archive/node-{node}"), "archive-of-another-disk");
        let [archive, away] = [&archive, away].map(|path| cluster.place.path(path));
        wait_for("all nodes know it", || {
            let known =
                |node| fs::read_to_string(cluster.data(node).join("generation.json")).unwrap();
            (0..3).all(|other| known(other).contains(&format!("\"{node}\":1")))
        });
        cluster.kill(node);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        fs::rename(&archive, &away).unwrap();
        cluster.start_node(node);
        let missing = "its log ends with segment 0, but segment 1 was archived; ";
        let reason = cluster.wait_note(node, missing);
        assert!(reason.contains("--accept-damage"), "{reason}");
        // What it accepted would be a second segment 1.
        let url = cluster.node(node).url.clone();
        assert_eq!(post(&url, &view(1, "refused")).unwrap().0, 503);
        cluster.kill(node);
        fs::rename(&away, &archive).unwrap();
        cluster.start_node(node);
        cluster.wait_live();
        let token = send_to_all(&cluster, 1);
        assert_eq!(cluster.node(1).get(&format!("/v1/projects/p?after={token}"))["views"], 6);

        cluster.kill(node);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        fs::rename(&archive, &away).unwrap();
        cluster.options.arguments += " --accept-damage";
        cluster.start_node(node);
        cluster.wait_live();
        let token = send_to_all(&cluster, 2);
        for other in cluster.running() {
            assert_eq!(other.get(&format!("/v1/projects/p?after={token}"))["views"], 7);
        }
    }
}

#[test]
fn what_a_node_archives_while_it_stops_is_known_too() {
    for node in [2, 0] {
        let mut cluster = NodeCluster::start(Options::default());
        let token = send_to_all(&cluster, 0);
        cluster.node(node).get(&format!("/v1/projects?after={token}"));
        cluster.stop(node);
        assert_eq!(objects(&cluster, node), 1);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        let [archive, away] = [format!("archive/node-{node}"), "away".to_owned()];
        fs::rename(cluster.place.path(&archive), cluster.place.path(&away)).unwrap();
        cluster.start_node(node);
        cluster.wait_note(node, "its log ends with segment 0, but segment 1 was archived; ");
    }
}

#[test]
fn events_that_were_not_archived_are_lost_with_the_data_of_their_node_alone() {
    let mut cluster = NodeCluster::start(Options::default());
    let token = send_to_all(&cluster, 0);
    cluster.node(0).get(&format!("/v1/projects?after={token}"));
    cluster.kill(2);
    fs::remove_dir_all(cluster.data(2)).unwrap();
    cluster.start_node(2);
    cluster.wait_live();
    // The event of node 2 is lost.
    let counted = json!({"projectId": "p", "views": 2, "durationMs": 20});
    for node in cluster.running() {
        assert_eq!(node.get("/v1/projects/p"), counted);
    }
    let token = cluster.node(2).post(&view(1, "0-2"));
    assert_eq!(cluster.node(1).get(&format!("/v1/projects/p?after={token}"))["views"], 3);
    assert_eq!(cluster.replay("replayed")["events"], 3);
}

#[test]
fn a_node_with_an_older_copy_of_its_data_is_refused_and_comes_back_without_it() {
    for (node, refused, part) in [
        (1, 1, "its data directory is an older copy: of generation 1, before 2"),
        (0, 1, "the data directory of node 0 is an older copy: of generation 1, before 2"),
    ] {
        let mut cluster = NodeCluster::start(sealing());
        send_to_all(&cluster, 0);
        cluster.stop_all();
        copy(&cluster.data(node), &cluster.place.path("copy"));
        cluster.start_all();
        cluster.wait_live();
        send_to_all(&cluster, 1);
        wait_for("all segments are archived", || (0..3).all(|node| objects(&cluster, node) >= 2));
        cluster.kill(node);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        copy(&cluster.place.path("copy"), &cluster.data(node));
        cluster.start_node(node);
        let reason = cluster.wait_note(refused, part);
        assert!(reason.contains("start it with an empty directory"), "{reason}");
        cluster.kill(node);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        cluster.start_node(node);
        cluster.wait_live();
        let token = send_to_all(&cluster, 2);
        for node in cluster.running() {
            assert_eq!(node.get(&format!("/v1/projects/p?after={token}"))["views"], 9);
        }
    }
}

#[test]
fn a_node_whose_disk_is_full_refuses_events_and_the_others_accept_them() {
    let mut cluster = NodeCluster::create(Options::default());
    let Some(disk) = Disk::mount(cluster.data(2)) else {
        eprintln!("skipped: this user cannot mount a file system");
        return;
    };
    cluster.start_all();
    cluster.wait_live();
    let token = send_to_all(&cluster, 0);
    cluster.node(0).get(&format!("/v1/projects?after={token}"));
    let ballast = disk.fill();
    let url = cluster.node(2).url.clone();
    let mut accepted = 3;
    let refused = (0..1000).find_map(|uuid| {
        let (status, body) = post(&url, &view(1, &format!("full-{uuid}"))).unwrap();
        accepted += usize::from(status == 200);
        (status != 200).then_some((status, body))
    });
    let (status, body) = refused.unwrap();
    assert_eq!((status, &body["error"]["code"]), (507, &json!("disk_full")));
    assert_eq!(get(&format!("{url}/readyz")).0, 503);
    // The results of all advance.
    for node in 0..2 {
        accepted += 1;
        let token = cluster.node(node).post(&view(1, &format!("other-{node}")));
        for reader in cluster.running() {
            let project = reader.get(&format!("/v1/projects/p?after={token}"));
            assert_eq!(project["views"], accepted, "{}", reader.url);
        }
    }
    // A generation cannot form, because the node could not make its number durable.
    cluster.kill(1);
    cluster.start_node(1);
    let reason = cluster.wait_note(0, "generation.json");
    assert!(reason.contains("node 2") || reason.contains("No space"), "{reason}");
    fs::remove_file(ballast).unwrap();
    cluster.wait_live();
    wait_for("node 2 accepts events", || get(&format!("{url}/readyz")).0 == 200);
    let token = cluster.node(2).post(&sample(1, 1, 1, 1.0));
    let project = cluster.node(1).get(&format!("/v1/projects/p?after={token}"));
    assert_eq!(project["views"], accepted);
    cluster.stop_all();
}
