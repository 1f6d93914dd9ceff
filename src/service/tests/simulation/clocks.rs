//! The clocks of a simulated machine.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::log::{Clock, MachineClocks};

/// 2021-05-05T18:40:00Z.
const START_MS: u64 = 1_620_240_000_000;

/// Clocks that advance only when the simulation advances them. Clones are the same clocks.
#[derive(Clone, Default)]
pub(super) struct Clocks(Arc<State>);

#[derive(Default)]
struct State {
    monotonic_ms: AtomicU64,
    /// By how much the wall clock was set forward or back.
    step_ms: AtomicI64,
    callbacks: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl Clocks {
    /// The clock of a service that starts on this machine.
    pub(super) fn service_clock(&self) -> Clock {
        self.0.callbacks.lock().unwrap().clear();
        Clock::on(Box::new(self.clone()), 0, 1.0)
    }

    pub(super) fn advance(&self, ms: u64) {
        self.advance_to(self.monotonic_ms() + ms);
    }

    pub(super) fn advance_to(&self, monotonic_ms: u64) {
        self.0.monotonic_ms.fetch_max(monotonic_ms, Ordering::SeqCst);
        self.0.callbacks.lock().unwrap().iter().for_each(|callback| callback());
    }

    /// Whether a log runs by these clocks.
    pub(super) fn are_watched(&self) -> bool {
        !self.0.callbacks.lock().unwrap().is_empty()
    }

    /// Sets the wall clock forward or back.
    pub(super) fn step_wall(&self, ms: i64) {
        self.0.step_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn monotonic_ms(&self) -> u64 {
        self.0.monotonic_ms.load(Ordering::SeqCst)
    }
}

impl MachineClocks for Clocks {
    fn wall_ms(&self) -> u64 {
        (START_MS + self.monotonic_ms())
            .saturating_add_signed(self.0.step_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms())
    }

    fn wait(&self, duration: Duration) -> Option<Duration> {
        duration.is_zero().then_some(Duration::ZERO)
    }

    fn on_set(&self, callback: Box<dyn Fn() + Send + Sync>) {
        self.0.callbacks.lock().unwrap().push(callback);
    }
}

impl fmt::Debug for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.monotonic_ms())
    }
}
