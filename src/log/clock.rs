//! The service's clock. It runs by the machine's clocks, as fast or faster, follows a source, or is set by
//! tests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::running_clock::{MachineClocks, RunningClock, SystemClocks};

/// The least and greatest times with 13 digits, the format of times in the log: 2001-09-09 and
/// 2286-11-20.
pub(super) const MS_MIN: u64 = 1_000_000_000_000;
pub(super) const MS_MAX: u64 = 9_999_999_999_999;

/// The service's clock, in milliseconds since the Unix epoch. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Running(Arc<RunningClock>),
    Manual(Arc<Manual>),
    Source(Arc<Source>),
}

/// The time that a source has reached, converted to the scale of another clock.
#[derive(Debug)]
struct Source {
    scale: Clock,
    now_ms: AtomicU64,
}

/// Advances a clock that follows a source. Clones advance the same clock.
#[derive(Clone, Debug)]
pub struct SourceClock(Arc<Source>);

/// A time that is set by hand.
struct Manual {
    now_ms: AtomicU64,
    /// Called after each change.
    callbacks: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

/// Sets a manual clock. Clones set the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Manual>);

impl Clock {
    /// A clock that starts with the machine's wall clock, and then runs by its monotonic time: steps of the
    /// wall clock do not move it. It makes up for a difference slowly, by running 2 % faster or slower.
    pub fn system() -> Self {
        Self::scaled(0, 1.0)
    }

    /// A clock like [`Clock::system`], with a scaled wall clock: it equals the machine's at `from_ms` and runs
    /// `factor` times as fast. `factor` is greater than 0.
    pub fn scaled(from_ms: u64, factor: f64) -> Self {
        Self::on(Box::new(SystemClocks), from_ms, factor)
    }

    /// A clock like [`Clock::scaled`] that runs by the clocks of `machine`.
    pub fn on(machine: Box<dyn MachineClocks>, from_ms: u64, factor: f64) -> Self {
        Self(Kind::Running(Arc::new(RunningClock::new(machine, from_ms, factor))))
    }

    /// A clock that shows `start_ms` until it is set.
    pub fn manual(start_ms: u64) -> (Self, ManualClock) {
        let time = Manual { now_ms: AtomicU64::new(start_ms), callbacks: Mutex::default() };
        let time = Arc::new(time);
        (Self(Kind::Manual(Arc::clone(&time))), ManualClock(time))
    }

    /// A clock that starts at 2001-09-09 and advances only through the returned [`SourceClock`].
    ///
    /// The source's times are wall times. The clock converts them, and durations, to the scale of
    /// `self`.
    pub fn following_source(self) -> (Self, SourceClock) {
        let time = Arc::new(Source { scale: self, now_ms: AtomicU64::new(MS_MIN) });
        (Self(Kind::Source(Arc::clone(&time))), SourceClock(time))
    }

    /// The time, which always has 13 digits: it is clamped to 2001-09-09 and 2286-11-20.
    pub fn now(&self) -> u64 {
        let now_ms = match &self.0 {
            Kind::Running(clock) => clock.now_ms() as u64,
            Kind::Manual(time) => time.now_ms.load(Ordering::Acquire),
            Kind::Source(time) => time.now_ms.load(Ordering::Acquire),
        };
        now_ms.clamp(MS_MIN, MS_MAX)
    }

    /// Starts the clock again at the time of its wall clock, or at `min_ms` if that is later. A clock that
    /// follows a source, or is set by hand, does not change.
    pub fn start_at(&self, min_ms: u64) {
        if let Kind::Running(clock) = &self.0 {
            clock.start_at(min_ms);
        }
    }

    /// Advances the clock to `ms`, the time of another node of the cluster, unless it is later already. A clock that
    /// is set by hand does not change.
    pub fn follow(&self, ms: u64) {
        match &self.0 {
            Kind::Running(clock) => clock.advance_to(ms),
            Kind::Source(time) => _ = time.now_ms.fetch_max(ms, Ordering::AcqRel),
            Kind::Manual(_) => {}
        }
    }

    /// The time by which the clock is ahead of its wall clock, in milliseconds; negative if it is behind. `None` for a
    /// clock that follows a source or is set by hand.
    pub fn lead_ms(&self) -> Option<i64> {
        match &self.0 {
            Kind::Running(clock) => Some(clock.lead_ms() as i64),
            Kind::Manual(_) | Kind::Source(_) => None,
        }
    }

    /// The time of this clock at the wall time `wall_ms`. For a manual clock, it is `wall_ms` itself.
    fn at(&self, wall_ms: u64) -> u64 {
        let shown = match &self.0 {
            Kind::Running(clock) => clock.scale(wall_ms) as u64,
            Kind::Manual(_) => wall_ms,
            Kind::Source(time) => return time.scale.at(wall_ms),
        };
        shown.clamp(MS_MIN, MS_MAX)
    }

    /// The wall time in which this clock advances by `span_ms`, capped at 1,000 s. `None` for a manual
    /// clock and a positive span, because a manual clock advances only when it is set.
    pub fn wall_duration(&self, span_ms: u64) -> Option<Duration> {
        match &self.0 {
            Kind::Running(clock) => {
                let seconds = (span_ms as f64 / 1_000.0 / clock.factor()).clamp(0.0, 1_000.0);
                clock.machine().wait(Duration::try_from_secs_f64(seconds).unwrap_or_default())
            }
            Kind::Manual(_) => (span_ms == 0).then_some(Duration::ZERO),
            Kind::Source(time) => time.scale.wall_duration(span_ms),
        }
    }

    /// The number of milliseconds by which this clock advances in the wall time `wall`. A manual clock
    /// is treated as the wall clock.
    pub fn clock_ms_in(&self, wall: Duration) -> u64 {
        match &self.0 {
            Kind::Running(clock) => (wall.as_secs_f64() * 1_000.0 * clock.factor()) as u64,
            Kind::Manual(_) => u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            Kind::Source(time) => time.scale.clock_ms_in(wall),
        }
    }

    /// Registers `callback` to run after each change of a clock that is set, on the thread that sets it, so
    /// that a waiting thread can be woken. Other clocks never call it.
    pub fn on_set(&self, callback: impl Fn() + Send + Sync + 'static) {
        match &self.0 {
            Kind::Running(clock) => clock.machine().on_set(Box::new(callback)),
            Kind::Manual(time) => {
                let mut callbacks = time.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
                callbacks.push(Box::new(callback));
            }
            Kind::Source(_) => {}
        }
    }
}

impl ManualClock {
    /// Sets the clock to a later or earlier time, and runs the registered callbacks.
    pub fn set(&self, now_ms: u64) {
        self.0.now_ms.store(now_ms, Ordering::Release);
        let callbacks = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.iter().for_each(|callback| callback());
    }
}

impl SourceClock {
    /// The clock's time when the source's wall time is `wall_ms`.
    pub fn clock_ms_at(&self, wall_ms: u64) -> u64 {
        self.0.scale.at(wall_ms)
    }

    /// The source's wall time when the clock's time is `ms`.
    pub fn wall_ms_at(&self, ms: u64) -> u64 {
        match &self.0.scale.0 {
            Kind::Running(clock) => clock.unscale(ms) as u64,
            Kind::Manual(_) | Kind::Source(_) => ms,
        }
    }

    /// Advances the clock to `ms`. An earlier time has no effect.
    pub fn advance_to(&self, ms: u64) {
        self.0.now_ms.fetch_max(ms, Ordering::AcqRel);
    }
}

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.now_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_the_wall_clock() {
        let (before, now, after) =
            (SystemClocks.wall_ms(), Clock::system().now(), SystemClocks.wall_ms());
        assert!((before..=after).contains(&now), "{before} {now} {after}");
    }

    #[test]
    fn a_scaled_clock_runs_faster_by_its_factor() {
        let start = Clock::system().now() - 10_000;
        let clock = Clock::scaled(start, 60.0);
        let passed = clock.now() - start;
        // The upper bound tolerates a test machine that stalls for 10 s.
        assert!((600_000..1_200_000).contains(&passed), "{passed}");
        assert_eq!(clock.wall_duration(60_000), Some(Duration::from_secs(1)));
        assert_eq!(clock.clock_ms_in(Duration::from_secs(1)), 60_000);
    }

    #[test]
    fn only_a_running_clock_starts_at_a_later_time_and_then_leads_its_wall_clock() {
        let wall_ms = Clock::system().now();
        let scaled = Clock::scaled(wall_ms, 1.0);
        scaled.start_at(wall_ms + 3_600_000);
        assert!(scaled.now() >= wall_ms + 3_600_000);
        let lead = scaled.lead_ms().unwrap();
        // The lower bound tolerates a test machine that stalls for 10 s.
        assert!((3_590_000..=3_600_000).contains(&lead), "{lead}");
        let (manual, _) = Clock::manual(MS_MIN);
        manual.start_at(MS_MIN + 1);
        assert_eq!((manual.now(), manual.lead_ms()), (MS_MIN, None));
    }

    #[test]
    fn times_are_clamped_to_13_digits() {
        let (clock, time) = Clock::manual(0);
        assert_eq!(clock.now(), MS_MIN);
        time.set(u64::MAX);
        assert_eq!(clock.now(), MS_MAX);
        assert_eq!(Clock::scaled(MS_MAX, 1e9).now(), MS_MIN);
    }

    #[test]
    fn a_clock_that_follows_a_source_never_goes_back() {
        let (clock, source) = Clock::scaled(1_620_240_000_000, 20.0).following_source();
        assert_eq!(clock.now(), MS_MIN);
        let at = source.clock_ms_at(1_620_240_000_500);
        assert_eq!((at, source.wall_ms_at(at)), (1_620_240_010_000, 1_620_240_000_500));
        source.advance_to(at);
        source.advance_to(at - 1);
        assert_eq!(clock.now(), at);
        clock.follow(at - 1);
        assert_eq!(clock.now(), at);
        clock.follow(at + 7);
        assert_eq!(clock.now(), at + 7, "another node has seen a later time of the stream");
        assert_eq!(clock.wall_duration(20_000), Some(Duration::from_secs(1)));
        assert_eq!(clock.clock_ms_in(Duration::from_secs(1)), 20_000);
        let (_, system) = Clock::system().following_source();
        assert_eq!(
            (system.clock_ms_at(MS_MIN + 1), system.wall_ms_at(MS_MIN + 1)),
            (MS_MIN + 1, MS_MIN + 1)
        );
    }

    #[test]
    fn a_manual_clock_runs_its_callbacks() {
        let (clock, time) = Clock::manual(MS_MIN);
        let (sender, woken) = std::sync::mpsc::channel();
        let shown = clock.clone();
        clock.on_set(move || sender.send(shown.now()).unwrap());
        time.set(MS_MIN + 7);
        assert_eq!(woken.try_recv(), Ok(MS_MIN + 7));
    }
}
