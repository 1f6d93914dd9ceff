//! A clock that runs by the machine's monotonic time, and follows its wall clock slowly.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// How much faster or slower than the monotonic time the clock runs while it differs from the wall clock.
/// Races last minutes, so no ride closes noticeably early or late. A difference of an hour is gone after
/// two days.
const SLEW: f64 = 0.02;

/// The clocks of a machine.
pub trait MachineClocks: Debug + Send + Sync {
    /// The wall clock, in milliseconds since the Unix epoch. It can be set forward and back.
    fn wall_ms(&self) -> u64;

    /// The time since some fixed instant. It never goes back, and includes the time that the machine was
    /// suspended, if the system measures that.
    fn monotonic(&self) -> Duration;

    /// The time to wait until `duration` has passed on these clocks; `None` if they advance only when they
    /// are set.
    fn wait(&self, duration: Duration) -> Option<Duration> {
        Some(duration)
    }

    /// Registers `callback` to run after these clocks are set, if they are ever set.
    fn on_set(&self, _callback: Box<dyn Fn() + Send + Sync>) {}
}

/// The clocks of this machine.
#[derive(Debug)]
pub(super) struct SystemClocks;

impl MachineClocks for SystemClocks {
    fn wall_ms(&self) -> u64 {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(wall.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        // The monotonic clock of Linux stands still during a suspend; its boot-time clock does not.
        #[cfg(target_os = "linux")]
        let id = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = ClockId::Monotonic;
        Duration::try_from(clock_gettime(id)).unwrap_or_default()
    }
}

/// A clock that starts at the time of the wall clock, and then runs by the monotonic time. It never goes
/// back and never jumps. While it differs from the wall clock, it runs 2 % faster or slower.
///
/// The wall clock is scaled: it equals the machine's at `from_ms` and runs `factor` times as fast.
#[derive(Debug)]
pub(super) struct RunningClock {
    machine: Box<dyn MachineClocks>,
    from_ms: f64,
    factor: f64,
    newest: Mutex<Reading>,
}

/// What the clock showed at a monotonic time.
#[derive(Clone, Copy, Debug)]
struct Reading {
    monotonic: Duration,
    shown_ms: f64,
}

impl RunningClock {
    pub(super) fn new(machine: Box<dyn MachineClocks>, from_ms: u64, factor: f64) -> Self {
        let newest = Mutex::new(Reading { monotonic: machine.monotonic(), shown_ms: 0.0 });
        // A double is exact for all times up to the year 2286.
        let clock = Self { machine, from_ms: from_ms as f64, factor, newest };
        clock.start_at(0);
        clock
    }

    /// Starts again at the time of the scaled wall clock, or at `min_ms` if that is later.
    pub(super) fn start_at(&self, min_ms: u64) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.monotonic = self.machine.monotonic();
        newest.shown_ms = self.wall_ms().max(min_ms as f64);
    }

    /// Advances to `ms`, unless the clock is later already.
    pub(super) fn advance_to(&self, ms: u64) {
        self.now_ms();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.shown_ms = newest.shown_ms.max(ms as f64);
    }

    /// The time of this clock.
    pub(super) fn now_ms(&self) -> f64 {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic = self.machine.monotonic();
        let passed = monotonic.saturating_sub(newest.monotonic).as_secs_f64() * 1_000.0;
        let passed_ms = passed * self.factor;
        let difference = self.wall_ms() - (newest.shown_ms + passed_ms);
        let slew = difference.clamp(-SLEW * passed_ms, SLEW * passed_ms);
        *newest = Reading { monotonic, shown_ms: newest.shown_ms + passed_ms + slew };
        newest.shown_ms
    }

    /// The time by which this clock is ahead of the scaled wall clock, in milliseconds; negative if it is behind.
    pub(super) fn lead_ms(&self) -> f64 {
        self.now_ms() - self.wall_ms()
    }

    /// The time of the scaled wall clock.
    fn wall_ms(&self) -> f64 {
        self.scale(self.machine.wall_ms())
    }

    /// The time of the scaled wall clock when the machine's wall clock shows `wall_ms`.
    pub(super) fn scale(&self, wall_ms: u64) -> f64 {
        self.from_ms + (wall_ms as f64 - self.from_ms) * self.factor
    }

    /// The inverse of [`scale`](Self::scale).
    pub(super) fn unscale(&self, ms: u64) -> f64 {
        self.from_ms + (ms as f64 - self.from_ms) / self.factor
    }

    /// The machine's clocks.
    pub(super) fn machine(&self) -> &dyn MachineClocks {
        &*self.machine
    }

    /// How many times as fast as the machine's clocks this clock runs.
    pub(super) fn factor(&self) -> f64 {
        self.factor
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    const START_MS: u64 = 1_620_240_000_000;
    const DAY_MS: i64 = 86_400_000;

    /// Clocks that a test advances and sets.
    #[derive(Clone, Debug, Default)]
    struct TestClocks {
        monotonic_ms: Arc<AtomicU64>,
        step_ms: Arc<AtomicI64>,
    }

    impl MachineClocks for TestClocks {
        fn wall_ms(&self) -> u64 {
            let wall_ms = START_MS + self.monotonic_ms.load(Ordering::Relaxed);
            wall_ms.saturating_add_signed(self.step_ms.load(Ordering::Relaxed))
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
        }
    }

    fn start(from_ms: u64, factor: f64) -> (TestClocks, RunningClock) {
        let clocks = TestClocks::default();
        (clocks.clone(), RunningClock::new(Box::new(clocks), from_ms, factor))
    }

    proptest! {
        #[test]
        fn steps_of_the_wall_clock_change_only_the_rate_by_two_per_cent(
            steps in prop::collection::vec(
                (0..5_000_u64, prop::option::of(prop_oneof![-DAY_MS..DAY_MS, -3_000..3_000_i64])),
                1..100,
            ),
            factor in prop_oneof![Just(1.0), Just(60.0)],
        ) {
            let (clocks, clock) = start(START_MS, factor);
            let mut shown = clock.now_ms();
            for (passed, step) in steps {
                clocks.monotonic_ms.fetch_add(passed, Ordering::Relaxed);
                clocks.step_ms.fetch_add(step.unwrap_or(0), Ordering::Relaxed);
                let now = clock.now_ms();
                let least = (1.0 - SLEW) * passed as f64 * factor;
                let most = (1.0 + SLEW) * passed as f64 * factor;
                prop_assert!((least - 0.1..=most + 0.1).contains(&(now - shown)), "{shown} {now}");
                shown = now;
            }
            // It agrees with the wall clock again after fifty times the difference.
            let difference = clock.lead_ms().abs() / factor;
            clocks.monotonic_ms.fetch_add((difference / SLEW) as u64 + 1, Ordering::Relaxed);
            prop_assert!(clock.lead_ms().abs() < 1.0, "{}", clock.lead_ms());
        }
    }

    #[test]
    fn starts_at_the_wall_clock_or_later() {
        let (clocks, clock) = start(0, 1.0);
        assert_eq!(clock.now_ms(), START_MS as f64);
        clock.start_at(START_MS - 1);
        assert_eq!((clock.now_ms(), clock.lead_ms()), (START_MS as f64, 0.0));
        clock.start_at(START_MS + 3_600_000);
        assert_eq!(clock.lead_ms(), 3_600_000.0);
        clocks.monotonic_ms.fetch_add(1_000, Ordering::Relaxed);
        assert_eq!(clock.now_ms(), START_MS as f64 + 3_600_980.0);
    }

    #[test]
    fn the_monotonic_time_of_this_machine_advances() {
        let before = SystemClocks.monotonic();
        while SystemClocks.monotonic() == before {}
        assert!(SystemClocks.monotonic() > before && before > Duration::ZERO);
    }
}
