//! Requests to switch the service to other rules, and the progress of the most recent one.
//!
//! The HTTP API makes requests, and the service's rebuilder executes them. Only the most recent request
//! counts: a new one cancels the one in progress, unless both are for the same rules.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use velodrome_dataflows::{EventTime, Rules};

use crate::rules;

/// The requests of a service. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct RebuildRequests(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// The number of requests so far, which is also the number of the most recent one.
    count: u64,
    /// The most recent request, until its execution starts.
    pending: Option<RebuildRequest>,
    /// The progress of the most recent request. `None` when it is complete.
    progress: Option<RebuildProgress>,
    is_stopping: bool,
}

/// A request to make rules active.
#[derive(Clone, Debug)]
pub struct RebuildRequest {
    number: u64,
    /// The rules.
    pub rules: Arc<Rules>,
    /// Whether to replay the log even if the rules are active already.
    pub is_forced: bool,
}

/// The progress of a rebuild.
#[derive(Clone, Debug)]
pub struct RebuildProgress {
    /// The id of the requested rules.
    pub id: String,
    /// The requested rules.
    pub rules: Arc<Rules>,
    /// The number of events replayed.
    pub events: u64,
    /// The event clock of the replay; 0 before its first event.
    pub clock: EventTime,
    /// The bytes of the log that were read.
    pub read_bytes: u64,
    /// The bytes of the log in total.
    pub bytes: u64,
    /// Why the rebuild is stalled or has failed.
    pub failure: Option<String>,
}

impl RebuildProgress {
    /// The fraction of the log that was read, 0 to 1.
    pub fn share(&self) -> f64 {
        match self.bytes {
            0 => 0.0,
            bytes => (self.read_bytes as f64 / bytes as f64).min(1.0),
        }
    }
}

impl State {
    fn is_current(&self, request: &RebuildRequest) -> bool {
        self.count == request.number && !self.is_stopping
    }
}

impl RebuildRequests {
    /// Requests `rules`. Has no effect if a rebuild for the same rules is in progress.
    pub fn request(&self, rules: Rules) {
        self.add(rules, false);
    }

    /// Requests a complete replay under `rules`, even if they are active.
    pub fn force(&self, rules: Rules) {
        self.add(rules, true);
    }

    fn add(&self, rules: Rules, is_forced: bool) {
        let mut state = self.lock();
        let is_same =
            |progress: &RebuildProgress| *progress.rules == rules && progress.failure.is_none();
        if !is_forced && state.progress.as_ref().is_some_and(is_same) {
            return;
        }
        state.count += 1;
        let number = state.count;
        let rules = Arc::new(rules);
        state.progress = Some(RebuildProgress {
            id: rules::id(&rules),
            rules: Arc::clone(&rules),
            events: 0,
            clock: 0,
            read_bytes: 0,
            bytes: 0,
            failure: None,
        });
        state.pending = Some(RebuildRequest { number, rules, is_forced });
        drop(state);
        self.0.1.notify_all();
    }

    /// The progress of the most recent request, or `None` when it is complete.
    pub fn progress(&self) -> Option<RebuildProgress> {
        self.lock().progress.clone()
    }

    /// Waits for a request. Returns `None` after [`Self::stop`].
    pub fn next(&self) -> Option<RebuildRequest> {
        let is_idle = |state: &mut State| state.pending.is_none() && !state.is_stopping;
        let waited = self.0.1.wait_while(self.lock(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.take().filter(|_| !state.is_stopping)
    }

    /// Whether `request` is still the most recent one, and the service is not stopping.
    pub fn is_current(&self, request: &RebuildRequest) -> bool {
        self.lock().is_current(request)
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Waits for `duration`, or until `request` is no longer current. Returns whether it still is.
    pub fn wait_while_current(&self, request: &RebuildRequest, duration: Duration) -> bool {
        let is_current = |state: &mut State| state.is_current(request);
        let waited = self.0.1.wait_timeout_while(self.lock(), duration, is_current);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_current(request)
    }

    /// Updates the progress of `request`, if it is the most recent one.
    pub fn update_progress(
        &self,
        request: &RebuildRequest,
        update: impl FnOnce(&mut RebuildProgress),
    ) {
        let mut state = self.lock();
        if state.count == request.number {
            state.progress.as_mut().map(update);
        }
    }

    /// Marks `request` as complete: its rules are active.
    pub fn mark_done(&self, request: &RebuildRequest) {
        let mut state = self.lock();
        if state.count == request.number {
            state.progress = None;
        }
    }

    /// Cancels the request in progress and all later ones.
    pub fn stop(&self) {
        self.lock().is_stopping = true;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_recent_request_counts_and_has_progress_until_it_is_done() {
        let rebuilds = RebuildRequests::default();
        let rules = |cadence_offset: f64| Rules { cadence_offset, ..Rules::default() };
        let offset = || rebuilds.progress().map(|progress| progress.rules.cadence_offset);
        assert_eq!(offset(), None);
        rebuilds.request(rules(1.0));
        let first = rebuilds.next().unwrap();
        // A request for the rules that are in progress does not restart the rebuild.
        rebuilds.request(rules(1.0));
        assert!(rebuilds.wait_while_current(&first, Duration::ZERO));
        rebuilds.request(rules(2.0));
        rebuilds.force(rules(3.0));
        assert!(!rebuilds.is_current(&first));
        rebuilds.mark_done(&first);
        rebuilds.update_progress(&first, |progress| progress.events = 9);
        let last = rebuilds.next().unwrap();
        assert!(last.is_forced && !first.is_forced);
        rebuilds.update_progress(&last, |progress| (progress.read_bytes, progress.bytes) = (1, 4));
        let progress = rebuilds.progress().unwrap();
        assert_eq!((progress.events, progress.share(), offset()), (0, 0.25, Some(3.0)));
        rebuilds.mark_done(&last);
        assert_eq!(offset(), None);
        rebuilds.request(rules(4.0));
        rebuilds.stop();
        assert!(rebuilds.next().is_none() && !rebuilds.is_current(&last));
    }
}
