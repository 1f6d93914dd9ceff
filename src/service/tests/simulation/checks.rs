//! The checks of a simulation, and its restarts.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::End;
use super::model::{self, Line, ModelRules};
use super::run::Run;
use super::stored;
use crate::rules;

impl Run {
    /// Restarts the service, and checks that everything is there.
    pub(super) fn restart(&mut self, is_graceful: bool) {
        self.note(|_| format!("restart, graceful: {is_graceful}"));
        if is_graceful {
            self.machine.disk.plan(|plan| plan.free_bytes = None);
        }
        let end = self.machine.restart(&mut self.random, is_graceful);
        self.note(|_| format!("restarted: {end:?}"));
        if end == End::PowerLost {
            let (archived, spooled) = stored::dead_letters(&self.machine.data);
            let stored: BTreeSet<_> = archived.into_iter().chain(spooled).collect();
            self.dead_letters.retain(|letter| stored.contains(letter));
        }
        self.read_rules_and_bans();
        self.read_lines_after_restart();
        self.machine.advance(0);
        self.check();
    }

    fn read_rules_and_bans(&mut self) {
        let id = self.machine.service().get("/v1/rules")["rulesId"].clone();
        let has_id = |model: &&&ModelRules| id == rules::id(&rules::parse(model.text).unwrap());
        let found = self.possible_rules.iter().find(has_id);
        self.rules = found.unwrap_or_else(|| panic!("not the rules {:?}", self.possible_rules));
        self.possible_rules = vec![self.rules];
        let bans = self.machine.service().get("/v1/bans");
        let banned = bans["racers"].as_array().unwrap().iter();
        let banned: BTreeSet<_> = banned.map(|racer| racer.as_u64().unwrap()).collect();
        for racer in banned.symmetric_difference(&self.bans) {
            assert!(self.unknown_bans.contains(racer), "the ban of racer {racer} changed");
        }
        (self.bans, self.unknown_bans) = (banned, BTreeSet::new());
    }

    /// The lines of the log, which must begin with the visible lines and the acknowledged events.
    fn lines(&mut self) -> (Vec<Line>, usize) {
        let lines = stored::lines(&self.machine.data);
        let (before, after) = lines.split_at(self.visible.len().min(lines.len()));
        assert_eq!(before, self.visible, "visible lines changed");
        let texts: Vec<_> = after.iter().map(|line| &line.text).collect();
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let expected: Vec<_> = acknowledged.iter().collect();
        assert!(texts.starts_with(&expected), "acknowledged {expected:?}, found {texts:?}");
        assert!(lines.is_sorted_by_key(|line| line.arrival_ms), "arrivals went back");
        let known = self.visible.len() + acknowledged.len();
        (lines, known)
    }

    /// Adds the acknowledged events to the visible lines.
    pub(super) fn read_log(&mut self) {
        let (mut lines, known) = self.lines();
        lines.truncate(known);
        self.visible = lines;
    }

    /// After a restart, events without an acknowledgement can be there too.
    fn read_lines_after_restart(&mut self) {
        let (lines, _) = self.lines();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in &lines {
            *counts.entry(&line.text).or_default() += 1;
        }
        for (text, count) in counts {
            let sent = self.sent.get(text).copied().unwrap_or(0);
            assert!(count <= sent, "sent {sent} times, found {count} times: {text}");
        }
        self.visible = lines;
    }

    /// Compares all answers with the model's.
    pub(super) fn check(&mut self) {
        self.machine.advance(0);
        self.read_log();
        let complete = self.machine.service().complete();
        let (expected, expiring) = model::answers(&self.visible, self.rules, &self.bans, complete);
        let race_seconds = self.rules.race_seconds;
        let mut answers = self.machine.service().answers(&self.visible, race_seconds);
        self.machine.service().check_derived(&answers, race_seconds);
        answers.results.retain(|race, _| !expiring.contains(race));
        if answers != expected {
            self.note(|run| format!("{complete} bans {:?} {:#?}", run.bans, run.visible));
        }
        assert_eq!(answers, expected, "at {complete}");
        let (archived, spooled) = stored::dead_letters(&self.machine.data);
        let stored: BTreeSet<_> = archived.into_iter().chain(spooled).collect();
        let lost: Vec<_> = self.dead_letters.difference(&stored).collect();
        assert!(lost.is_empty(), "lost dead letters {lost:?}");
    }
}
