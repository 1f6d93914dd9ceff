//! The status of a node.

use std::num::NonZeroUsize;

use super::super::init::tests::on_loopback;
use super::*;
use crate::health::Health;

/// The status of node 1 of three.
pub(crate) fn status(health: &Health) -> Status {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path(), &on_loopback(3), NonZeroUsize::MIN).unwrap();
    let config = ClusterConfig::load(&directory.path().join(CLUSTER_FILE), 1).unwrap();
    Status::new(health.component("cluster"), &config)
}

pub(crate) fn disconnect(status: &Status) {
    status.disconnected("node 0 is lost: its connection was closed");
}

/// Enters a report of the node itself.
pub(crate) fn report_lag(status: &Status, lag_ms: u64) {
    status.reported(Report {
        clock_ms: 7,
        lag_ms,
        checkpoint: None,
        shards: Vec::new(),
        archived: 0,
    });
}

fn nodes(connected: [bool; 3]) -> Vec<NodeView> {
    let node = |is_connected| NodeView { is_connected: Some(is_connected), report: None };
    connected.map(node).to_vec()
}

#[test]
fn results_are_stale_until_a_generation_lives_and_again_after_it() {
    let health = Health::default();
    let status = status(&health);
    assert_eq!(status.stale().as_deref(), Some("the node starts"));
    assert_eq!(health.notes(), ["cluster: reads get 503: the node starts"]);
    status.view(nodes([true, true, false]));
    status.waits("waits for the other nodes");
    assert_eq!(status.stale().as_deref(), Some("the cluster waits for node 2"));
    assert_eq!(health.notes(), ["cluster: reads get 503: waits for the other nodes"]);
    status.view(nodes([true; 3]));
    status.forms(4);
    assert_eq!(status.stale().as_deref(), Some("generation 4 catches up"));
    status.lives(4);
    assert_eq!((status.stale(), health.notes().len()), (None, 0));
    disconnect(&status);
    assert_eq!(status.stale().as_deref(), Some("the cluster waits for node 0"));
    assert_eq!(status.snapshot().generation, Some(4));
    status.ended("node 1: node 2 is lost");
    status.forms(5);
    let note = "cluster: results are not updated: generation 5 catches up; the previous one ended: node 1: node 2 is \
                lost";
    assert_eq!(health.notes(), [note]);
}

#[test]
fn a_change_of_the_reason_is_seen_and_a_report_is_none() {
    let status = status(&Health::default());
    let mut stale = status.watch_stale();
    let report =
        Report { clock_ms: 7, lag_ms: 1, checkpoint: Some(5), shards: Vec::new(), archived: 0 };
    status.reported(report.clone());
    assert_eq!(status.snapshot().nodes[1].report, Some(report));
    status.waits("the node starts");
    assert!(!stale.has_changed().unwrap());
    status.lives(1);
    assert!(stale.has_changed().unwrap());
    assert_eq!(*stale.borrow_and_update(), None);
}
