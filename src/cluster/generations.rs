//! How the coordinator forms generations, lets them answer reads, and ends them.

use std::collections::BTreeSet;

use super::coordinator::{Coordinator, NO_GENERATION};
use super::formed::{Formed, SwitchRequest};
use super::message::{Message, Plan, Ready};
use crate::kinesis;

/// The maximum difference between the clock of a node and the coordinator's, in milliseconds. The clocks of a
/// cluster follow the fastest one, so one that is wrong would set all wrong.
const CLOCK_DIFFERENCE_MS_MAX: u64 = 10_000;

impl Coordinator {
    /// A node can be part of a generation. Forms one if all nodes can.
    pub(super) fn ready(&mut self, position: usize, ready: Ready) {
        let now = self.clock.now();
        let clock_ms = ready.clock_ms.unwrap_or(now);
        let difference = clock_ms.abs_diff(now);
        if difference > CLOCK_DIFFERENCE_MS_MAX {
            let order = if clock_ms > now { "ahead of" } else { "behind" };
            let seconds = difference / 1_000;
            let reason = format!(
                "its clock is {seconds} s {order} that of node 0; set the clocks, for example with NTP"
            );
            return self.send(position, || Message::Refused(reason.clone()));
        }
        let file = self.newest();
        let lived = file.lived(self.config.nodes[position].id);
        let newest = file.number();
        drop(file);
        if let Some(reason) = older_copy(ready.generation, newest, lived) {
            return self.send(position, || Message::Refused(reason.clone()));
        }
        self.members[position].ready = Some(ready);
        self.form();
    }

    /// Forms a generation if all nodes are ready and none runs.
    fn form(&mut self) {
        let ready: Option<Vec<_>> =
            self.members.iter().map(|member| member.ready.clone()).collect();
        let Some(ready) = ready.filter(|_| self.current.is_none()) else { return };
        if let Some(position) = differs(&ready) {
            self.members[position].ready = None;
            let reason = "its rules differ from those of node 0; give all nodes the same --rules";
            return self.send(position, || Message::Refused(reason.to_owned()));
        }
        let newest = ready.iter().map(|ready| ready.generation).max().unwrap_or_default();
        let Some(generation) = self.next_number(newest) else { return };
        let plan = plan(&ready, generation);
        tracing::info!(generation, complete_ms = plan.complete_from, "forms a generation");
        self.members.iter_mut().for_each(|member| member.ready = None);
        self.send_all(|| Message::Form(plan.clone()));
        self.current = Some(Formed { plan, caught_up: BTreeSet::new() });
    }

    /// The number of the next generation, greater than `newest` and durable.
    fn next_number(&self, newest: u64) -> Option<u64> {
        let mut file = self.newest();
        let generation = newest.max(file.number()) + 1;
        // The next node that becomes ready tries again.
        let failed = |error: &_| tracing::error!(%error, "cannot form a generation");
        file.set_number(generation).inspect_err(failed).ok().map(|()| generation)
    }

    /// A generation has caught up on a node. It answers reads once it has on all nodes.
    pub(super) fn caught_up(&mut self, position: usize, generation: u64) {
        let nodes = self.members.len();
        let standby = self.standby.as_mut().map(|(formed, _)| formed);
        let formed = self.current.as_mut().into_iter().chain(standby);
        let mut formed = formed.filter(|formed| formed.plan.generation == generation);
        let Some(formed) = formed.next() else { return };
        formed.caught_up.insert(position);
        if formed.caught_up.len() < nodes {
            return;
        }
        // A node whose data directory has an earlier generation than this is an older copy from now on.
        let nodes = self.config.nodes.iter().map(|node| node.id);
        let lived = self.newest().set_lived(nodes, generation);
        if let Err(error) = lived {
            return self.end_all(&error.to_string());
        }
        self.send_all(|| Message::Live { generation });
        let is_standby = |(formed, _): &mut (Formed, _)| formed.plan.generation == generation;
        if let Some((formed, request)) = self.standby.take_if(is_standby) {
            self.current = Some(formed);
            self.reply(request, Ok(()));
        }
    }

    /// Switches to other rules: forms a generation that replaces the current one when it has caught up.
    pub(super) fn switch(&mut self, request: SwitchRequest, rules: String, is_forced: bool) {
        self.cancel_switch("other rules were requested");
        let Some(current) = &self.current else {
            return self.reply(request, Err(NO_GENERATION.to_owned()));
        };
        if current.plan.rules == rules && !is_forced {
            return self.reply(request, Ok(()));
        }
        let Some(generation) = self.next_number(0) else {
            return self.reply(request, Err("node 0 cannot write to its disk".to_owned()));
        };
        tracing::info!(generation, "forms a generation under other rules");
        let plan = Plan {
            generation,
            complete_from: None,
            complete_until: 0,
            bans: None,
            rules,
            rules_since: generation,
            source: None,
        };
        self.send_all(|| Message::Form(plan.clone()));
        self.standby = Some((Formed { plan, caught_up: BTreeSet::new() }, request));
    }

    /// A generation has ended on a node, so it ends on all.
    pub(super) fn ended(&mut self, generation: u64, reason: &str) {
        let is_it = |formed: &Formed| formed.plan.generation == generation;
        if self.current.as_ref().is_some_and(is_it) {
            self.end_all(reason);
            self.form();
        } else if self.standby.as_ref().is_some_and(|(formed, _)| is_it(formed)) {
            self.cancel_switch(reason);
        }
    }

    /// A node is lost.
    pub(super) fn lost(&mut self, reason: &str) {
        tracing::warn!("{reason}");
        if self.current.is_none() {
            // Perhaps other nodes noticed the loss first. This is its cause.
            let generation = self.newest().number();
            self.send_all(|| Message::End { generation, reason: reason.to_owned() });
        }
        self.end_all(reason);
    }

    /// Ends all generations that run, on all nodes.
    pub(super) fn end_all(&mut self, reason: &str) {
        self.cancel_switch(reason);
        let Some(Formed { plan, .. }) = self.current.take() else { return };
        let steps = self.changes.fail_all(reason);
        self.take(steps);
        let generation = plan.generation;
        self.send_all(|| Message::End { generation, reason: reason.to_owned() });
    }

    /// Ends the generation that would replace the current one.
    fn cancel_switch(&mut self, reason: &str) {
        let Some((Formed { plan, .. }, request)) = self.standby.take() else { return };
        let generation = plan.generation;
        self.send_all(|| Message::End { generation, reason: reason.to_owned() });
        self.reply(request, Err(reason.to_owned()));
    }

    fn reply(&self, SwitchRequest { requester, id }: SwitchRequest, result: Result<(), String>) {
        self.send(requester, || Message::Switched { id, result: result.clone() });
    }
}

/// Why a data directory is an older copy: the node was part of `generation`, the coordinator proposed none after `newest`,
/// and the node was part of `lived`, which answered reads. A node without a generation is new or replaced.
fn older_copy(generation: u64, newest: u64, lived: u64) -> Option<String> {
    let remedy = "restore the newest copy, or start it with an empty directory, which is filled from the archives";
    if generation > newest && newest > 0 {
        let node = "the data directory of node 0 is an older copy";
        return Some(format!("{node}: of generation {newest}, before {generation}; {remedy}"));
    }
    let is_older = 0 < generation && generation < lived;
    is_older.then(|| {
        format!("its data directory is an older copy: of generation {generation}, before {lived}; {remedy}")
    })
}

/// The rules that are active since the greatest generation.
fn newest_rules(ready: &[Ready]) -> Option<&Ready> {
    // The first of several: `max_by_key` would return the last.
    ready.iter().rev().max_by_key(|ready| ready.rules_since)
}

/// The first node whose rules differ although they are active since the same generation.
fn differs(ready: &[Ready]) -> Option<usize> {
    let newest = newest_rules(ready)?;
    ready
        .iter()
        .position(|other| other.rules_since == newest.rules_since && other.rules != newest.rules)
}

/// The plan of a generation of nodes that are `ready`.
fn plan(ready: &[Ready], generation: u64) -> Plan {
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
    Plan { generation, complete_from, complete_until, bans, rules, rules_since, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(complete: Option<u64>, shown: u64, rules: &str, rules_since: u64) -> Ready {
        let (generation, bans, rules) = (3, vec![shown as u32], rules.to_owned());
        let (clock_ms, source) = (Some(9), None);
        Ready { generation, complete, shown, clock_ms, bans, rules, rules_since, source }
    }

    #[test]
    fn an_older_copy_is_recognized_and_an_empty_directory_is_not_one() {
        assert_eq!(
            (older_copy(0, 7, 6), older_copy(6, 7, 6), older_copy(3, 0, 0)),
            (None, None, None)
        );
        assert!(older_copy(5, 7, 6).unwrap().contains("its data directory is an older copy"));
        assert!(older_copy(8, 7, 6).unwrap().contains("node 0 is an older copy"));
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
