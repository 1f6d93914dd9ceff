//! How the coordinator forms generations, lets them answer reads, and ends them.

use std::collections::BTreeSet;

use super::archived::archived;
use super::clock_difference;
use super::coordinator::{Coordinator, NO_GENERATION};
use super::formed::{Formed, SwitchRequest};
use super::message::{Message, Plan, Ready};
use super::node_id::COORDINATOR;
use super::plan::{differs, plan};
use super::sequences::Sequences;

impl Coordinator {
    /// A node can be part of a generation. Forms one if all nodes can.
    pub(super) fn ready(&mut self, position: usize, ready: Ready) {
        // The hello compared the machines. A log also runs at the time of its last event, which may be in the future.
        if let Some(clock_ms) = ready.clock_ms
            && let Some(reason) = clock_difference::refusal(clock_ms, &self.clock, COORDINATOR)
        {
            return self.refuse(position, reason);
        }
        let file = self.newest();
        let lived = file.lived(self.config.nodes[position].id);
        let newest = file.number();
        drop(file);
        if let Some(reason) = older_copy(ready.generation, newest, lived) {
            return self.refuse(position, reason);
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
            let reason = "its rules differ from those of node 0; give all nodes the same --rules";
            return self.refuse(position, reason.to_owned());
        }
        let archived = match archived(&self.config.nodes, &ready) {
            Ok(archived) => archived,
            Err((position, reason)) => return self.refuse(position, reason),
        };
        let newest = ready.iter().map(|ready| ready.generation).max().unwrap_or_default();
        let Some(generation) = self.next_number(newest, archived.clone()) else { return };
        let plan = plan(&ready, generation, archived);
        tracing::info!(generation, complete_ms = plan.complete_from, "forms a generation");
        self.members.iter_mut().for_each(|member| (member.ready, member.refused) = (None, None));
        self.send_all(|| Message::Form(plan.clone()));
        self.current = Some(Formed { plan, caught_up: BTreeSet::new(), replaces: None });
    }

    /// The number of the next generation, greater than `newest` and durable.
    fn next_number(&self, newest: u64, archived: Sequences) -> Option<u64> {
        let mut file = self.newest();
        let generation = newest.max(file.number()) + 1;
        // The next node that becomes ready tries again.
        let failed = |error: &_| tracing::error!(%error, "cannot form a generation");
        file.set_number(generation, archived).inspect_err(failed).ok().map(|()| generation)
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
        let replaces = Some(current.plan.generation);
        if current.plan.rules == rules && !is_forced {
            return self.reply(request, Ok(()));
        }
        let archived = self.newest().archived().clone();
        let Some(generation) = self.next_number(0, archived.clone()) else {
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
            archived,
        };
        self.send_all(|| Message::Form(plan.clone()));
        self.standby = Some((Formed { plan, caught_up: BTreeSet::new(), replaces }, request));
    }

    /// A generation has ended on a node, so it ends on all. If it had ended already as a consequence, this is the cause.
    pub(super) fn ended(&mut self, generation: u64, reason: &str, is_consequence: bool) {
        let is_it = |formed: &Formed| formed.plan.generation == generation;
        if self.current.as_ref().is_some_and(is_it) {
            self.end_all(reason);
            self.form();
        } else if self.standby.as_ref().is_some_and(|(formed, _)| is_it(formed)) {
            self.cancel_switch(reason);
        } else if !is_consequence && self.current.is_none() && generation == self.newest().number()
        {
            tracing::warn!("{reason}");
            self.send_all(|| Message::End { generation, reason: reason.to_owned() });
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
        let Some(Formed { plan, replaces, .. }) = self.current.take() else { return };
        let steps = self.changes.fail_all(reason);
        self.take(steps);
        // The one that it replaces still runs on nodes where it did not answer reads yet.
        for generation in [Some(plan.generation), replaces].into_iter().flatten() {
            self.send_all(|| Message::End { generation, reason: reason.to_owned() });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_copy_is_recognized_and_an_empty_directory_is_not_one() {
        assert_eq!(
            (older_copy(0, 7, 6), older_copy(6, 7, 6), older_copy(3, 0, 0)),
            (None, None, None)
        );
        assert!(older_copy(5, 7, 6).unwrap().contains("its data directory is an older copy"));
        assert!(older_copy(8, 7, 6).unwrap().contains("node 0 is an older copy"));
    }
}
