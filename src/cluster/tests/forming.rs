use super::*;

#[test]
fn generations_follow_each_other_and_each_needs_all_nodes() {
    let mut cluster = TestCluster::new(3);
    cluster.start(2);
    cluster.start(0);
    cluster.wait_for_note(0, "waits for the other nodes");
    cluster.start(1);
    assert_eq!(cluster.wait_for(&[0, 1, 2]), vec![Done::Lives(1); 3]);
    // Any node can leave and return, the coordinator too.
    for (generation, id) in [(1, 2), (2, 0), (3, 1)] {
        cluster.stop(id);
        assert_eq!(cluster.wait_for(&[0, 1, 2]), vec![Done::Ended(generation); 3]);
        let other = usize::from(id == 0);
        cluster.wait_for_note(other, &format!("node {id}"));
        cluster.start(id);
        assert_eq!(cluster.wait_for(&[0, 1, 2]), vec![Done::Lives(generation + 1); 3]);
    }
}

#[test]
fn a_switch_of_rules_replaces_a_generation_that_answers_reads_meanwhile() {
    let mut cluster = TestCluster::new(2);
    (0..2).for_each(|id| cluster.start(id));
    cluster.wait_for(&[0, 1]);
    let switched = cluster.requester(1).switch("other".to_owned(), false);
    assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(2); 2]);
    assert_eq!(switched.recv_timeout(TIMEOUT), Ok(Ok(())));
    // They are those of the next one too, although node 1 was killed before its checkpoint had them.
    (0..2).for_each(|id| cluster.stop(id));
    cluster.done.try_iter().for_each(drop);
    let switched = Ready { rules: "other".to_owned(), ..new_node() };
    cluster.start_with(0, cluster.config(0), switched);
    cluster.start(1);
    assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(3); 2]);
}
