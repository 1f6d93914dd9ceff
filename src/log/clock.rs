//! The service's clock: the wall's, one that demonstrations run faster, one that follows a source, or one
//! that tests set by hand.

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
    Followed(Arc<Followed>),
}

/// The time that a source told last, on the scale of the clock that it was made from.
#[derive(Debug)]
struct Followed {
    scale: Clock,
    now_ms: AtomicU64,
}

/// Tells a clock the time of its source.
#[derive(Clone, Debug)]
pub struct SourceTime(Arc<Followed>);

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

    /// A clock that stands at 2001-09-09 and goes on as its source tells, whose times are those of the wall.
    /// In between it lasts as long as this one does.
    pub fn followed(self) -> (Self, SourceTime) {
        let time = Arc::new(Followed { scale: self, now_ms: AtomicU64::new(MS_MIN) });
        (Self(Time::Followed(Arc::clone(&time))), SourceTime(time))
    }

    /// The time, which always has 13 digits: 2001-09-09 where it is earlier, 2286-11-20 where later.
    pub fn now(&self) -> u64 {
        let now_ms = match &self.0 {
            Time::Scaled { .. } => {
                let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let wall_ms = wall.unwrap_or_default().as_millis();
                return self.at(u64::try_from(wall_ms).unwrap_or(u64::MAX));
            }
            Time::Manual(time) => time.now_ms.load(Ordering::Acquire),
            Time::Followed(time) => time.now_ms.load(Ordering::Acquire),
        };
        now_ms.clamp(MS_MIN, MS_MAX)
    }

    /// What it shows when the wall clock shows `wall_ms`; a manual clock counts as the wall's.
    fn at(&self, wall_ms: u64) -> u64 {
        let shown = match &self.0 {
            Time::Scaled { from_ms, factor } => {
                (from_ms + (wall_ms as f64 - from_ms) * factor) as u64
            }
            Time::Manual(_) => wall_ms,
            Time::Followed(time) => return time.scale.at(wall_ms),
        };
        shown.clamp(MS_MIN, MS_MAX)
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
            Time::Followed(time) => time.scale.wall(span_ms),
        }
    }

    /// How many ms of this clock pass while `wall` passes on the wall; a manual clock counts as one
    /// that runs like the wall's.
    pub fn span_ms(&self, wall: Duration) -> u64 {
        match &self.0 {
            Time::Scaled { factor, .. } => (wall.as_secs_f64() * 1_000.0 * factor) as u64,
            Time::Manual(_) => u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            Time::Followed(time) => time.scale.span_ms(wall),
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

impl SourceTime {
    /// What the clock shows when the source's time, which is the wall's, is `wall_ms`.
    pub fn at(&self, wall_ms: u64) -> u64 {
        self.0.scale.at(wall_ms)
    }

    /// The source's time when the clock shows `ms`.
    pub fn wall_at(&self, ms: u64) -> u64 {
        match &self.0.scale.0 {
            Time::Scaled { from_ms, factor } => (from_ms + (ms as f64 - from_ms) / factor) as u64,
            Time::Manual(_) | Time::Followed(_) => ms,
        }
    }

    /// Has the clock show `ms`; an earlier time than it shows changes nothing.
    pub fn reach(&self, ms: u64) {
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
    fn a_followed_clock_shows_what_its_source_told_and_never_goes_back() {
        let (clock, source) = Clock::scaled(1_620_240_000_000, 20.0).followed();
        assert_eq!(clock.now(), MS_MIN);
        let at = source.at(1_620_240_000_500);
        assert_eq!((at, source.wall_at(at)), (1_620_240_010_000, 1_620_240_000_500));
        source.reach(at);
        source.reach(at - 1);
        assert_eq!(clock.now(), at);
        assert_eq!(clock.wall(20_000), Some(Duration::from_secs(1)));
        assert_eq!(clock.span_ms(Duration::from_secs(1)), 20_000);
        let (_, system) = Clock::system().followed();
        assert_eq!((system.at(MS_MIN + 1), system.wall_at(MS_MIN + 1)), (MS_MIN + 1, MS_MIN + 1));
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
