//! One simulation: random steps from a seed, and the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::machine::Machine;
use super::model::{self, Line, ModelRules, RULES};

/// From this seed on, requests are concurrent. The order of threads then matters, so a seed does not always
/// repeat, and the seeds of `cargo test` are smaller.
const CONCURRENT_SEEDS: u64 = 500;

/// A simulation.
pub(super) struct Run {
    pub(super) random: Pcg64,
    pub(super) machine: Machine,
    pub(super) prints: bool,
    /// Whether several requests are under way at the same time, and arrivals can be equal.
    pub(super) is_concurrent: bool,
    /// The number of the newest event.
    pub(super) number: u64,
    /// Batches without a reply that the client received.
    pub(super) unanswered: Vec<Vec<String>>,
    /// How often each event was sent.
    pub(super) sent: BTreeMap<String, usize>,
    /// The lines that all answers contain.
    pub(super) visible: Vec<Line>,
    /// The events acknowledged since then.
    pub(super) acknowledged: Vec<String>,
    /// The rules in effect, and the rules that a restart can have.
    pub(super) rules: &'static ModelRules,
    pub(super) possible_rules: Vec<&'static ModelRules>,
    pub(super) bans: BTreeSet<u64>,
    /// The racers of whom it is unknown whether they are banned after a restart.
    pub(super) unknown_bans: BTreeSet<u64>,
    /// Dead letters that must be stored. Those that the archive does not have can be lost with the power.
    pub(super) dead_letters: BTreeSet<String>,
}

/// Runs the simulation of `seed`.
pub(super) fn run(seed: u64, prints: bool) {
    let mut random = Pcg64::seed_from_u64(seed);
    let machine = Machine::start(&mut random, RULES[0].text);
    machine.disk.plan(|plan| plan.prints = prints);
    let mut run = Run {
        random,
        machine,
        prints,
        is_concurrent: seed >= CONCURRENT_SEEDS,
        number: 0,
        unanswered: Vec::new(),
        sent: BTreeMap::new(),
        visible: Vec::new(),
        acknowledged: Vec::new(),
        rules: &RULES[0],
        possible_rules: vec![&RULES[0]],
        bans: BTreeSet::new(),
        unknown_bans: BTreeSet::new(),
        dead_letters: BTreeSet::new(),
    };
    for _ in 0..run.random.random_range(15..40) {
        run.step();
        if run.machine.has_crashed() {
            run.restart(false);
        }
    }
    run.restart(true);
}

impl Run {
    fn step(&mut self) {
        let step = self.random.random_range(0..100);
        self.note(|run| format!("step {step} at {}", run.machine.clocks.monotonic_ms()));
        match step {
            0..40 => self.post(),
            40..50 => {
                let ms = self.random.random_range(0..15_000);
                self.machine.advance(ms);
            }
            50..54 => self.pass_long(),
            54..59 => drop(self.machine.service().save()),
            59..62 if self.is_concurrent => self.save_slowly(),
            59..62 => drop(self.machine.service().save()),
            62..67 => self.publish(),
            67..70 => self.machine.service().upload(),
            70..76 => self.ban(),
            76..79 => self.switch_rules(),
            79..81 => self.set_full(true),
            81..84 => self.set_full(false),
            84..86 => self.machine.plan_failure(&mut self.random),
            86..91 => {
                let after = self.random.random_range(0..30);
                self.machine.disk.plan(|plan| plan.crash_after = Some(after));
            }
            91..93 => self.restart(false),
            93..94 => self.restart(true),
            94..95 => self.machine.remove_history(),
            95..97 => {
                let hours = self.random.random_range(-48..=48);
                self.machine.clocks.step_wall(hours * 3_600_000);
            }
            _ => self.check(),
        }
    }

    pub(super) fn note(&self, text: impl FnOnce(&Self) -> String) {
        if self.prints {
            eprintln!("{}", text(self));
        }
    }

    pub(super) fn disk_is_good(&self) -> bool {
        self.machine
            .disk
            .plan(|plan| plan.free_bytes.is_none() && plan.failures.is_empty() && !plan.has_crashed)
    }

    /// Saves a checkpoint on a slow disk, and posts until it is saved.
    fn save_slowly(&mut self) {
        self.note(|_| "the disk is slow for checkpoints".to_owned());
        self.machine.disk.set_slow(Some("checkpoint.redb"));
        let saving = self.machine.service().start_saving();
        let disk = Arc::clone(&self.machine.disk);
        self.machine.service().wait(|| disk.is_waiting() || saving.is_finished());
        for _ in 0..self.random.random_range(1..4) {
            match self.random.random_bool(0.3) {
                true => self.machine.advance(3_000),
                false => self.send_batches(1),
            }
        }
        self.machine.disk.set_slow(None);
        saving.join().unwrap();
    }

    /// Lets minutes to days pass.
    fn pass_long(&mut self) {
        self.set_full(false);
        let ms = match self.random.random_range(0..10) {
            0..5 => self.random.random_range(60_000..600_000),
            5..9 => self.random.random_range(600_000..7_200_000),
            _ => self.random.random_range(1..10) * 86_400_000,
        };
        self.machine.advance(ms);
    }

    fn set_full(&mut self, is_full: bool) {
        let bytes = self.random.random_range(0..3_000);
        self.machine.disk.plan(|plan| plan.free_bytes = is_full.then_some(bytes));
    }

    fn ban(&mut self) {
        let (racer, is_banned) = (self.random.random_range(1..7), self.random.random());
        let clocks = self.machine.clocks.clone();
        let (status, reply) = self.machine.service().ban(&clocks, racer as u32, is_banned);
        self.note(|_| format!("ban {racer} {is_banned}: {status}"));
        match status {
            204 => {
                let changed =
                    if is_banned { self.bans.insert(racer) } else { self.bans.remove(&racer) };
                if changed {
                    // The complete list was written.
                    self.unknown_bans.clear();
                }
            }
            500 | 503 | 507 => drop(self.unknown_bans.insert(racer)),
            _ => panic!("ban: {status} {}", String::from_utf8_lossy(&reply)),
        }
    }

    fn switch_rules(&mut self) {
        let next = &RULES[self.random.random_range(0..RULES.len())];
        let clocks = self.machine.clocks.clone();
        self.set_full(false);
        self.possible_rules = vec![self.rules, next];
        if self.machine.service().is_poisoned() {
            return;
        }
        let is_active = self.machine.service().switch_rules(&clocks, next.text);
        self.note(|_| format!("rules {:?}: {is_active}", next.text));
        // After a crash nobody learns that the switch succeeded.
        if is_active && !self.machine.has_crashed() {
            (self.rules, self.possible_rules) = (next, vec![next]);
        }
        self.machine.advance(0);
    }

    fn publish(&mut self) {
        self.machine.advance(0);
        if !self.machine.service().publish() || self.machine.has_crashed() {
            return;
        }
        self.read_log();
        let complete = self.machine.service().complete();
        let (expected, _) = model::answers(&self.visible, self.rules, &self.bans, complete);
        let Some(histories) = self.machine.service().histories() else { return };
        if histories.boards != expected.boards {
            self.note(|run| format!("{complete} bans {:?} {:#?}", run.bans, run.visible));
        }
        assert_eq!(histories.boards, expected.boards, "histories");
    }
}
