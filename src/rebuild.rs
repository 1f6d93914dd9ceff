//! Which rules are asked for, and how far the service is on the way to them.
//!
//! The last order counts: one that is under way is given up for the next, unless they ask for the same.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use velodrome_dataflows::{Clock, Rules};

use crate::rules;

/// The orders of a service and what becomes of them; clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub struct Rebuilds(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// How many orders were given.
    given: u64,
    /// The last one, until it is begun.
    next: Option<Order>,
    /// What became of the last one: nothing where all it asked for holds.
    progress: Option<Progress>,
    is_stopping: bool,
}

/// Rules that are to hold.
#[derive(Clone, Debug)]
pub struct Order {
    number: u64,
    /// The rules.
    pub rules: Arc<Rules>,
    /// Whether all is to be replayed though these rules hold.
    pub is_renewal: bool,
}

/// How far a rebuild is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The identity of the rules that it is for.
    pub id: String,
    /// The rules that it is for.
    pub rules: Arc<Rules>,
    /// Events that were replayed.
    pub events: u64,
    /// The event clock that it has reached; 0 before its first event.
    pub clock: Clock,
    /// Bytes of the log that were read, and that there are.
    pub read_bytes: u64,
    /// See `read_bytes`.
    pub bytes: u64,
    /// What holds it up, or why it was given up.
    pub failure: Option<String>,
}

impl Progress {
    /// The part of the log that was read, 0 to 1.
    pub fn share(&self) -> f64 {
        match self.bytes {
            0 => 0.0,
            bytes => (self.read_bytes as f64 / bytes as f64).min(1.0),
        }
    }
}

impl State {
    /// Whether `order` is still the last one.
    fn wants(&self, order: &Order) -> bool {
        self.given == order.number && !self.is_stopping
    }
}

impl Rebuilds {
    /// Asks for `rules` to hold.
    pub fn want(&self, rules: Rules) {
        self.order(rules, false);
    }

    /// Asks for all to be replayed under `rules`, also where they hold.
    pub fn renew(&self, rules: Rules) {
        self.order(rules, true);
    }

    fn order(&self, rules: Rules, is_renewal: bool) {
        let mut state = self.lock();
        let is_under_way = |told: &Progress| *told.rules == rules && told.failure.is_none();
        if !is_renewal && state.progress.as_ref().is_some_and(is_under_way) {
            return;
        }
        state.given += 1;
        let number = state.given;
        let rules = Arc::new(rules);
        state.progress = Some(Progress {
            id: rules::id(&rules),
            rules: Arc::clone(&rules),
            events: 0,
            clock: 0,
            read_bytes: 0,
            bytes: 0,
            failure: None,
        });
        state.next = Some(Order { number, rules, is_renewal });
        drop(state);
        self.0.1.notify_all();
    }

    /// How far the last order is; none where what it asked for holds.
    pub fn progress(&self) -> Option<Progress> {
        self.lock().progress.clone()
    }

    /// Waits for an order; none comes any more once [`Self::stop`] was called.
    pub fn next(&self) -> Option<Order> {
        let idle = |state: &mut State| state.next.is_none() && !state.is_stopping;
        let waited = self.0.1.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.next.take().filter(|_| !state.is_stopping)
    }

    /// Whether `order` is still the last one.
    pub fn is_wanted(&self, order: &Order) -> bool {
        self.lock().wants(order)
    }

    /// Whether no order is carried out any more.
    pub fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Waits for so long, or until `order` is not the last one any more; tells whether it still is.
    pub fn wait(&self, order: &Order, wait: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.lock(), wait, |state| state.wants(order));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.wants(order)
    }

    /// Takes note of how far `order` is.
    pub fn tell(&self, order: &Order, tell: impl FnOnce(&mut Progress)) {
        let mut state = self.lock();
        if state.given == order.number {
            state.progress.as_mut().map(tell);
        }
    }

    /// What `order` asked for holds.
    pub fn done(&self, order: &Order) {
        let mut state = self.lock();
        if state.given == order.number {
            state.progress = None;
        }
    }

    /// No order is begun any more, and the one that is under way is not wanted any more.
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
    fn the_last_order_counts_and_is_told_of_until_it_is_done() {
        let rebuilds = Rebuilds::default();
        let rules = |cadence_offset: f64| Rules { cadence_offset, ..Rules::default() };
        let offset = || rebuilds.progress().map(|progress| progress.rules.cadence_offset);
        assert_eq!(offset(), None);
        rebuilds.want(rules(1.0));
        let first = rebuilds.next().unwrap();
        // Whoever asks again for what is under way does not set it back.
        rebuilds.want(rules(1.0));
        assert!(rebuilds.wait(&first, Duration::ZERO));
        rebuilds.want(rules(2.0));
        rebuilds.renew(rules(3.0));
        assert!(!rebuilds.is_wanted(&first));
        rebuilds.done(&first);
        rebuilds.tell(&first, |progress| progress.events = 9);
        let last = rebuilds.next().unwrap();
        assert!(last.is_renewal && !first.is_renewal);
        rebuilds.tell(&last, |progress| (progress.read_bytes, progress.bytes) = (1, 4));
        let progress = rebuilds.progress().unwrap();
        assert_eq!((progress.events, progress.share(), offset()), (0, 0.25, Some(3.0)));
        rebuilds.done(&last);
        assert_eq!(offset(), None);
        rebuilds.want(rules(4.0));
        rebuilds.stop();
        assert!(rebuilds.next().is_none() && !rebuilds.is_wanted(&last));
    }
}
