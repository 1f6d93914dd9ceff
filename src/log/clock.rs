//! The service's clock, which demonstrations run faster than the wall's and tests set by hand.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Times of 13 digits, which is how the log writes them: from 2001-09-09 to 2286-11-20.
pub(super) const MS_MIN: u64 = 1_000_000_000_000;
pub(super) const MS_MAX: u64 = 9_999_999_999_999;

/// The service's clock, in milliseconds since the epoch. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Time);

#[derive(Clone, Debug)]
enum Time {
    Scaled { from_ms: f64, factor: f64 },
    Manual(Arc<Manual>),
}

/// A clock's time that is set by hand.
struct Manual {
    now_ms: AtomicU64,
    /// Called after each setting.
    wakes: Mutex<Vec<Box<dyn Fn() + Send + Sync>>>,
}

/// Sets a manual clock.
#[derive(Clone, Debug)]
pub struct ManualTime(Arc<Manual>);

impl Clock {
    /// The wall clock.
    pub fn system() -> Self {
        Self::scaled(0, 1.0)
    }

    /// A clock that showed `from_ms` when the wall clock did and runs `factor` times as fast, which
    /// is greater than 0. It keeps nothing: the same arguments give the same clock after a restart.
    pub fn scaled(from_ms: u64, factor: f64) -> Self {
        // Exact, as all times up to the year 2286 are.
        Self(Time::Scaled { from_ms: from_ms as f64, factor })
    }

    /// A clock that stands at `start_ms` until it is set.
    pub fn manual(start_ms: u64) -> (Self, ManualTime) {
        let time = Manual { now_ms: AtomicU64::new(start_ms), wakes: Mutex::default() };
        let time = Arc::new(time);
        (Self(Time::Manual(Arc::clone(&time))), ManualTime(time))
    }

    /// The time, which always has 13 digits: 2001-09-09 where it is earlier, 2286-11-20 where later.
    pub fn now(&self) -> u64 {
        let now_ms = match &self.0 {
            Time::Scaled { from_ms, factor } => {
                let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let wall_ms = wall.unwrap_or_default().as_millis() as f64;
                (from_ms + (wall_ms - from_ms) * factor) as u64
            }
            Time::Manual(time) => time.now_ms.load(Ordering::Acquire),
        };
        now_ms.clamp(MS_MIN, MS_MAX)
    }

    /// How long `span_ms` of this clock last on the wall, at most 1,000 s; none where only a setting
    /// of a manual clock ends them.
    pub fn wall(&self, span_ms: u64) -> Option<Duration> {
        match &self.0 {
            Time::Scaled { factor, .. } => {
                let seconds = (span_ms as f64 / 1_000.0 / factor).clamp(0.0, 1_000.0);
                Some(Duration::try_from_secs_f64(seconds).unwrap_or_default())
            }
            Time::Manual(_) => (span_ms == 0).then_some(Duration::ZERO),
        }
    }

    /// How many ms of this clock pass while `wall` passes on the wall; a manual clock counts as one
    /// that runs like the wall's.
    pub fn span_ms(&self, wall: Duration) -> u64 {
        match &self.0 {
            Time::Scaled { factor, .. } => (wall.as_secs_f64() * 1_000.0 * factor) as u64,
            Time::Manual(_) => u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Has `wake` called after each setting of a manual clock, on the thread that sets it: whoever
    /// waits for a time looks again. Any other clock never calls it.
    pub fn on_set(&self, wake: impl Fn() + Send + Sync + 'static) {
        if let Time::Manual(time) = &self.0 {
            let mut wakes = time.wakes.lock().unwrap_or_else(PoisonError::into_inner);
            wakes.push(Box::new(wake));
        }
    }
}

impl ManualTime {
    /// Sets the clock, forward or back, and wakes who waits for it.
    pub fn set(&self, now_ms: u64) {
        self.0.now_ms.store(now_ms, Ordering::Release);
        let wakes = self.0.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        wakes.iter().for_each(|wake| wake());
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
    fn the_system_clock_is_the_walls() {
        let wall_ms = || {
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            u64::try_from(wall.as_millis()).unwrap()
        };
        let (before, now, after) = (wall_ms(), Clock::system().now(), wall_ms());
        assert!((before..=after).contains(&now), "{before} {now} {after}");
    }

    #[test]
    fn a_scaled_clock_runs_its_factor_faster_from_its_start_on() {
        let start = Clock::system().now() - 10_000;
        let clock = Clock::scaled(start, 60.0);
        let passed = clock.now() - start;
        // Up to 10 s for a machine that stands still in the middle of this.
        assert!((600_000..1_200_000).contains(&passed), "{passed}");
        assert_eq!(clock.wall(60_000), Some(Duration::from_secs(1)));
        assert_eq!(clock.span_ms(Duration::from_secs(1)), 60_000);
    }

    #[test]
    fn times_have_13_digits_whatever_the_clock_says() {
        let (clock, time) = Clock::manual(0);
        assert_eq!(clock.now(), MS_MIN);
        time.set(u64::MAX);
        assert_eq!(clock.now(), MS_MAX);
        assert_eq!(Clock::scaled(MS_MAX, 1e9).now(), MS_MIN);
    }

    #[test]
    fn a_manual_clock_wakes_who_waits() {
        let (clock, time) = Clock::manual(MS_MIN);
        let (sender, woken) = std::sync::mpsc::channel();
        let shown = clock.clone();
        clock.on_set(move || sender.send(shown.now()).unwrap());
        time.set(MS_MIN + 7);
        assert_eq!(woken.try_recv(), Ok(MS_MIN + 7));
    }
}
