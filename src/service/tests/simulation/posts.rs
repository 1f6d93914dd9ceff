//! The clients of a simulation, who send events until they are acknowledged.

use std::collections::BTreeSet;

use rand::RngExt;
use serde_json::Value;

use super::events;
use super::run::Run;
use super::stored;

impl Run {
    /// Sends a batch, or several at the same time.
    pub(super) fn post(&mut self) {
        let several = self.is_concurrent && self.random.random_bool(0.25);
        let count = if several { self.random.random_range(2..6) } else { 1 };
        self.send_batches(count);
        let must_restart = self.machine.service().is_poisoned() && self.random.random();
        if must_restart && !self.machine.has_crashed() {
            self.restart(false);
        }
    }

    /// Sends `count` batches at the same time, except those that are lost on their way.
    pub(super) fn send_batches(&mut self, count: usize) {
        let batches: Vec<_> = (0..count).filter_map(|_| self.next_batch()).collect();
        for event in batches.iter().flatten() {
            *self.sent.entry(event.clone()).or_default() += 1;
        }
        let ms = if self.is_concurrent && self.random.random() { 0 } else { 3 };
        self.machine.clocks.advance(ms);
        let was_good = self.disk_is_good();
        let bodies: Vec<_> = batches.iter().map(|batch| batch.join("\n")).collect();
        let replies = self.machine.post(&bodies);
        let is_good = was_good && self.disk_is_good();
        let mut acknowledged = Vec::new();
        for (batch, (status, reply)) in batches.into_iter().zip(replies) {
            self.note(|_| format!("posted {} events: {status}", batch.len()));
            match status {
                200 => {
                    let reply = serde_json::from_slice(&reply).unwrap();
                    acknowledged.push(self.acknowledge(&batch, &reply, is_good));
                }
                503 | 507 => {}
                _ => panic!("POST: {status} {}", String::from_utf8_lossy(&reply)),
            }
            if status != 200 || self.random.random_bool(0.1) {
                self.unanswered.push(batch);
            }
        }
        self.sort_by_log(&mut acknowledged);
        self.acknowledged.extend(acknowledged.into_iter().flatten());
    }

    /// A new batch, or one again that was not answered. `None` if it is lost on its way.
    fn next_batch(&mut self) -> Option<Vec<String>> {
        let batch = match self.unanswered.is_empty() || self.random.random_bool(0.3) {
            true => {
                let count = if self.random.random_bool(0.1) { 80 } else { 12 };
                let count = self.random.random_range(1..=count);
                let period = self.machine.clocks.monotonic_ms() / 10_000 + 1;
                events::batch(&mut self.random, count, period, &mut self.number)
            }
            false => self.unanswered.remove(self.random.random_range(0..self.unanswered.len())),
        };
        if self.random.random_bool(0.05) {
            self.unanswered.push(batch);
            return None;
        }
        Some(batch)
    }

    /// Records a reply, and returns the accepted events. On a disk that is not good, dead letters may be
    /// dropped.
    fn acknowledge(&mut self, batch: &[String], reply: &Value, is_good: bool) -> Vec<String> {
        let rejected = reply["rejected"].as_array().unwrap().iter();
        let rejected: BTreeSet<_> =
            rejected.map(|rejected| rejected["index"].as_u64().unwrap() as usize).collect();
        let mut accepted = Vec::new();
        for (index, event) in batch.iter().enumerate() {
            match rejected.contains(&index) {
                false => accepted.push(event.clone()),
                true if is_good => drop(self.dead_letters.insert(event.clone())),
                true => {}
            }
        }
        assert_eq!(reply["accepted"], accepted.len());
        if !accepted.is_empty() {
            self.machine.appended();
        }
        accepted
    }

    /// Sorts batches that were acknowledged at the same time as the log has them: any order is right.
    fn sort_by_log(&self, batches: &mut [Vec<String>]) {
        if batches.len() < 2 {
            return;
        }
        let lines = stored::lines(&self.machine.data);
        let known = self.visible.len() + self.acknowledged.len();
        let new = lines.get(known..).unwrap_or_default();
        batches.sort_by_key(|batch| new.iter().position(|line| batch.first() == Some(&line.text)));
    }
}
