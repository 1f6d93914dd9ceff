//! The current failures of a source. A failure is reported only after it has lasted some seconds,
//! because most are transient.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::health::Component;

/// Failures that end within this time are not reported. A throttled shard recovers in about a second.
const REPORT_AFTER: Duration = Duration::from_secs(3);

/// The components of a source that are failing now.
#[derive(Debug)]
pub(super) struct Failures {
    component: Component,
    /// By component: since when, and the most recent reason.
    failing: Mutex<BTreeMap<String, (Instant, String)>>,
}

impl Failures {
    /// Tracks failures, and reports them in the entry `component` of `/readyz`.
    pub(super) fn new(component: Component) -> Self {
        Self { component, failing: Mutex::default() }
    }

    /// The entry of `/readyz`, for failures that are not transient.
    pub(super) fn component(&self) -> &Component {
        &self.component
    }

    /// Records that `component` fails for `reason`.
    pub(super) fn fail(&self, component: &str, reason: impl Display) {
        let mut failing = self.lock();
        let since = failing.get(component).map_or_else(Instant::now, |(since, _)| *since);
        failing.insert(component.to_owned(), (since, reason.to_string()));
        self.report(&failing);
    }

    /// Records that `component` works, or is no longer needed.
    pub(super) fn set_ok(&self, component: &str) {
        let mut failing = self.lock();
        if failing.remove(component).is_some() {
            self.report(&failing);
        }
    }

    fn report(&self, failing: &BTreeMap<String, (Instant, String)>) {
        match failing.values().find(|(since, _)| since.elapsed() >= REPORT_AFTER) {
            Some((_, reason)) => self.component.fail(reason),
            None => self.component.set_ok(),
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
    async fn a_lasting_failure_is_reported_until_its_component_works() {
        let health = Health::default();
        let failures = Failures::new(health.component("source"));
        failures.fail("a", "slow");
        tokio::time::advance(REPORT_AFTER - Duration::from_millis(1)).await;
        failures.fail("a", "slow");
        assert!(health.faults().is_empty());
        tokio::time::advance(Duration::from_millis(1)).await;
        failures.fail("a", "removed");
        assert_eq!(health.faults(), ["source: removed"]);
        failures.fail("b", "slow");
        failures.set_ok("c");
        assert_eq!(health.faults(), ["source: removed"]);
        failures.set_ok("a");
        assert!(health.faults().is_empty(), "b has not failed long enough");
        tokio::time::advance(REPORT_AFTER).await;
        failures.fail("b", "slow");
        assert_eq!(health.faults(), ["source: slow"]);
        failures.set_ok("b");
        assert!(health.faults().is_empty());
    }
}
