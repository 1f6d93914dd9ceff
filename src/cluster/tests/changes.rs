use super::*;

#[test]
fn a_ban_is_durable_on_all_nodes_before_the_coordinator_applies_it() {
    let mut cluster = TestCluster::new(3);
    (0..2).for_each(|id| cluster.start(id));
    let ban = Ban { racer: 5, is_banned: true };
    cluster.wait_for_note(1, "waits for the other nodes");
    let error = cluster.requester(1).change(ban).unwrap_err();
    assert!(error.contains("no generation"), "{error}");
    cluster.start(2);
    cluster.wait_for(&[0, 1, 2]);
    assert_eq!(cluster.requester(2).change(ban), Ok(7));
    let done: Vec<_> = (0..4).map(|_| cluster.done.recv_timeout(TIMEOUT).unwrap()).collect();
    assert_eq!((&done[0], &done[3]), (&(0, Done::Persisted(ban)), &(0, Done::Applied)));
    let mut others: Vec<_> = done[1..3].iter().map(|(id, _)| *id).collect();
    others.sort_unstable();
    assert_eq!(others, [1, 2]);
}
