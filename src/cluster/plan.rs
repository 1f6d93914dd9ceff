//! The plan of a generation: what its nodes have in common, from what they have.

use super::message::{Plan, Ready};
use super::sequences::Sequences;
use crate::kinesis;

/// The rules that are active since the greatest generation.
fn newest_rules(ready: &[Ready]) -> Option<&Ready> {
    // The first of several: `max_by_key` would return the last.
    ready.iter().rev().max_by_key(|ready| ready.rules_since)
}

/// The first node whose rules differ although they are active since the same generation.
pub(super) fn differs(ready: &[Ready]) -> Option<usize> {
    let newest = newest_rules(ready)?;
    ready
        .iter()
        .position(|other| other.rules_since == newest.rules_since && other.rules != newest.rules)
}

/// The plan of a generation of nodes that are `ready`.
pub(super) fn plan(ready: &[Ready], generation: u64, archived: Sequences) -> Plan {
    let (rules, rules_since) = newest_rules(ready)
        .map(|newest| (newest.rules.clone(), newest.rules_since))
        .unwrap_or_default();
    let complete = ready.iter().map(|node| node.complete.filter(|_| node.rules == rules));
    let complete_from = complete.min().flatten();
    let until = ready.iter().map(|ready| ready.complete.unwrap_or(0).max(ready.shown)).max();
    // The coordinator makes changes durable first. One whose disk was lost was part of no generation, and has no bans.
    let newest = ready.iter().rev().max_by_key(|ready| ready.generation);
    let bans = newest.map(|ready| ready.bans.clone());
    let complete_until = until.unwrap_or_default();
    let source = kinesis::merge(ready.iter().filter_map(|ready| ready.source.as_ref()));
    Plan { generation, complete_from, complete_until, bans, rules, rules_since, source, archived }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::new_node;

    fn plan(ready: &[Ready], generation: u64) -> Plan {
        super::plan(ready, generation, Sequences::new())
    }

    fn ready(complete: Option<u64>, shown: u64, rules: &str, rules_since: u64) -> Ready {
        let (generation, bans, rules) = (3, vec![shown as u32], rules.to_owned());
        Ready { generation, complete, shown, bans, rules, rules_since, ..new_node() }
    }

    #[test]
    fn a_generation_begins_at_the_oldest_checkpoint_and_keeps_what_readers_saw() {
        let nodes = [ready(Some(50), 70, "a", 0), ready(Some(40), 90, "a", 0)];
        let plan = plan(&nodes, 4);
        assert_eq!((plan.complete_from, plan.complete_until), (Some(40), 90));
        assert_eq!((plan.bans, plan.rules.as_str()), (Some(vec![70]), "a"));
    }

    #[test]
    fn bans_are_those_of_the_coordinator_unless_its_disk_was_lost() {
        let nodes = [ready(Some(50), 70, "a", 0), ready(Some(40), 90, "a", 0)];
        assert_eq!(plan(&nodes, 4).bans, Some(vec![70]));
        let [lost, other] = nodes;
        let nodes = [Ready { generation: 0, bans: Vec::new(), ..lost }, other];
        assert_eq!(plan(&nodes, 4).bans, Some(vec![90]));
    }

    #[test]
    fn a_node_without_a_checkpoint_or_under_older_rules_has_all_nodes_replay_their_logs() {
        let nodes = [ready(Some(50), 0, "a", 0), ready(None, 0, "a", 0)];
        assert_eq!(plan(&nodes, 4).complete_from, None);
        let nodes = [ready(Some(50), 0, "a", 2), ready(Some(40), 0, "b", 3)];
        let plan = plan(&nodes, 4);
        assert_eq!((plan.complete_from, plan.rules.as_str(), plan.rules_since), (None, "b", 3));
        assert_eq!(differs(&nodes), None);
        let nodes = [ready(None, 0, "a", 0), ready(None, 0, "b", 0)];
        assert_eq!(differs(&nodes), Some(1));
    }
}
