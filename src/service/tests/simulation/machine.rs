//! The machine of a simulation: its disk and clocks, and the service that runs on it. It crashes and restarts.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64;

use super::clocks::Clocks;
use super::instance::{Instance, Settings};
use super::requests::Reply;
use super::stored;
use crate::disk::tests::simulated::{Disk, Failure, Operation};
use crate::rules;
use crate::service::error::ServiceError;

/// Operations that can fail, by a part of the path.
const FAILURES: [(Operation, &str); 12] = [
    (Operation::Write, ".jsonl"),
    (Operation::Sync, ".jsonl"),
    (Operation::Create, ".jsonl"),
    (Operation::Write, ".sums"),
    (Operation::Write, "checkpoint.redb"),
    (Operation::Sync, "checkpoint.redb"),
    (Operation::SetLength, "checkpoint.redb"),
    (Operation::Write, "bans"),
    (Operation::Rename, "bans"),
    (Operation::Write, "rejected"),
    (Operation::Write, "class-"),
    (Operation::Rename, "class-"),
];

/// How the most recent run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Stopped,
    Killed,
    PowerLost,
}

/// A machine with a running service.
pub(super) struct Machine {
    _root: tempfile::TempDir,
    pub(super) data: PathBuf,
    pub(super) disk: Arc<Disk>,
    pub(super) clocks: Clocks,
    settings: Settings,
    instance: Option<Instance>,
    /// The time of the first event that may be in an open segment.
    open_since_ms: Option<u64>,
}

impl Machine {
    /// A machine with an empty disk, on which the service runs under `rules`.
    pub(super) fn start(random: &mut Pcg64, rules: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::mount(root.path());
        let settings = Settings {
            workers: random.random_range(1..3),
            open_rides_max: if random.random_bool(0.2) { 12 } else { 1_000 },
            accept_clock: false,
            rules: Some(rules::parse(rules).unwrap()),
        };
        let (data, clocks) = (root.path().join("data"), Clocks::default());
        let instance = Instance::start(&data, &clocks, settings.clone()).unwrap();
        let settings = Settings { rules: None, ..settings };
        let instance = Some(instance);
        Self { _root: root, data, disk, clocks, settings, instance, open_since_ms: None }
    }

    pub(super) fn service(&mut self) -> &mut Instance {
        self.instance.as_mut().unwrap()
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.disk.plan(|plan| plan.has_crashed)
    }

    /// Plans a failure of one operation.
    pub(super) fn plan_failure(&self, random: &mut Pcg64) {
        let (operation, path) = FAILURES[random.random_range(0..FAILURES.len())];
        let failure = Failure { operation, path, error: ErrorKind::Other };
        self.disk.plan(|plan| plan.failures.push(failure));
    }

    /// Posts events, all batches at the same time: while the log writes the first, the others queue.
    pub(super) fn post(&mut self, bodies: &[String]) -> Vec<Reply> {
        let Some((first, others)) = bodies.split_first() else { return Vec::new() };
        let disk = Arc::clone(&self.disk);
        let service = self.service();
        if others.is_empty() {
            return vec![service.send("POST", "/v1/events", first)];
        }
        disk.set_slow(Some(".jsonl"));
        let first = service.start_post(first);
        service.wait(|| disk.is_waiting() || first.is_finished());
        service.finish_posts(first, others, || disk.set_slow(None))
    }

    /// Records that a segment may be open.
    pub(super) fn appended(&mut self) {
        let now = self.service().now();
        self.open_since_ms.get_or_insert(now);
    }

    /// Advances the clocks by `ms` and a tick. If that closes the open segment, waits until it is sealed.
    pub(super) fn advance(&mut self, ms: u64) {
        let (clocks, now) = (self.clocks.clone(), self.service().now());
        let closes =
            self.open_since_ms.take_if(|since| now + ms + 2_000 >= *since + 60_000).is_some();
        if closes {
            // On a full disk, sealing would be tried again in real time.
            self.disk.plan(|plan| plan.free_bytes = None);
        }
        self.service().settle(&clocks, if closes { ms + 2_000 } else { ms });
        if closes {
            self.wait_sealed();
        }
    }

    /// Waits until all segments are sealed. A poisoned log keeps its newest segment.
    pub(super) fn wait_sealed(&mut self) {
        let (disk, data) = (Arc::clone(&self.disk), self.data.clone());
        let service = self.service();
        let is_poisoned = service.is_poisoned();
        service.wait(|| {
            disk.plan(|plan| plan.has_crashed)
                || stored::segments(&data) == usize::from(is_poisoned)
                || is_poisoned && stored::segments(&data) == 0
        });
    }

    /// Stops the service, or ends it as a crash does, and starts it again. Returns how it ended.
    pub(super) fn restart(&mut self, random: &mut Pcg64, is_graceful: bool) -> End {
        let mut end = if is_graceful { End::Stopped } else { End::Killed };
        if !is_graceful {
            self.disk.plan(|plan| plan.has_crashed = true);
        }
        self.instance.take().unwrap().stop(is_graceful);
        self.open_since_ms = None;
        loop {
            if self.has_crashed() {
                if random.random() {
                    self.disk.restart();
                    end = end.max(End::Killed);
                } else {
                    self.disk.lose_power(random);
                    end = End::PowerLost;
                }
            } else {
                self.disk.restart();
            }
            if random.random_bool(0.2) {
                let after = random.random_range(0..40);
                self.disk.plan(|plan| plan.crash_after = Some(after));
            }
            let accept_clock = self.settings.accept_clock;
            self.settings.accept_clock = false;
            match Instance::start(
                &self.data,
                &self.clocks,
                Settings { accept_clock, ..self.settings.clone() },
            ) {
                Ok(instance) => {
                    self.instance = Some(instance);
                    self.wait_sealed();
                    if !self.has_crashed() {
                        return end;
                    }
                    self.instance.take().unwrap().stop(false);
                }
                Err(ServiceError::ClockAhead { .. }) => self.settings.accept_clock = true,
                Err(_) if self.has_crashed() => {}
                Err(error) => panic!("the service does not start: {error}"),
            }
        }
    }

    /// Removes the history objects, as a user might.
    pub(super) fn remove_history(&self) {
        for entry in fs::read_dir(self.data.join("history")).into_iter().flatten() {
            crate::disk::remove_file(&entry.unwrap().path()).unwrap_or_default();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.disk.plan(|plan| plan.has_crashed = true);
            instance.stop(false);
        }
        self.disk.unmount();
    }
}
