//! What of a source fails: told once it did for some seconds, as most of it passes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::health::Part;

/// What passes within this is not told: a throttled shard is back in about a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// What fails at present, of a part with many of them.
#[derive(Debug)]
pub(super) struct Faults {
    part: Part,
    failing: Mutex<BTreeMap<String, (Instant, String)>>,
}

impl Faults {
    pub(super) fn new(part: Part) -> Self {
        Self { part, failing: Mutex::default() }
    }

    /// The part, to tell it what does not pass.
    pub(super) fn part(&self) -> &Part {
        &self.part
    }

    /// `what` fails for `reason`.
    pub(super) fn fail(&self, what: &str, reason: impl Display) {
        let mut failing = self.lock();
        let since = failing.get(what).map_or_else(Instant::now, |(since, _)| *since);
        failing.insert(what.to_owned(), (since, reason.to_string()));
        self.tell(&failing);
    }

    /// `what` works, again or still, or is not needed any more.
    pub(super) fn well(&self, what: &str) {
        let mut failing = self.lock();
        if failing.remove(what).is_some() {
            self.tell(&failing);
        }
    }

    fn tell(&self, failing: &BTreeMap<String, (Instant, String)>) {
        match failing.values().find(|(since, _)| since.elapsed() >= PATIENCE) {
            Some((_, reason)) => self.part.fail(reason),
            None => self.part.well(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, String)>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_told_after_some_seconds_and_goes_with_the_last_that_fails() {
        let health = Health::default();
        let faults = Faults::new(health.part("source"));
        faults.fail("a", "slow");
        tokio::time::advance(PATIENCE - Duration::from_millis(1)).await;
        faults.fail("a", "slow");
        assert!(health.faults().is_empty());
        tokio::time::advance(Duration::from_millis(1)).await;
        faults.fail("a", "gone");
        assert_eq!(health.faults(), ["source: gone"]);
        faults.fail("b", "slow");
        faults.well("c");
        assert_eq!(health.faults(), ["source: gone"]);
        faults.well("a");
        assert!(health.faults().is_empty(), "b may pass");
        tokio::time::advance(PATIENCE).await;
        faults.fail("b", "slow");
        assert_eq!(health.faults(), ["source: slow"]);
        faults.well("b");
        assert!(health.faults().is_empty());
    }
}
