//! The wall clock that a service sees, with libfaketime. Steps do not move its monotonic clocks.

use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_pcg::Pcg64;

/// The greatest step, back or, of a running service's clock, forward.
const STEP_SECONDS: i64 = 5 * 3600;

/// A wall clock that differs from the machine's.
pub(super) struct FakeClock {
    library: PathBuf,
    /// The file with the difference, which the library reads.
    file: PathBuf,
    /// The greatest difference at a start so far.
    ahead: i64,
}

impl FakeClock {
    /// A clock that does not differ yet. Its file is in `place`.
    pub(super) fn new(library: PathBuf, place: &Path) -> Self {
        assert!(library.is_file(), "no libfaketime at {}", library.display());
        let clock = Self { library, file: place.join("clock"), ahead: 0 };
        clock.set(0);
        clock
    }

    /// The environment of a process that sees the clock.
    pub(super) fn environment(&self) -> [String; 5] {
        [
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
        ]
    }

    /// Sets the clock of a running service forward or back, by up to hours. Returns the difference.
    pub(super) fn step(&self, random: &mut Pcg64) -> i64 {
        self.set(random.random_range(-STEP_SECONDS..=STEP_SECONDS))
    }

    /// Sets the clock before a start: often back, and forward to at most `ahead_max` seconds, because a service
    /// starts with a clock that is ahead. Returns the difference.
    pub(super) fn step_for_start(&mut self, ahead_max: i64, random: &mut Pcg64) -> i64 {
        let least = if random.random() { self.ahead } else { -STEP_SECONDS };
        let seconds = random.random_range(least..=ahead_max.max(least));
        self.ahead = self.ahead.max(seconds);
        self.set(seconds)
    }

    /// Sets the difference, in seconds, and returns it.
    pub(super) fn set(&self, seconds: i64) -> i64 {
        // The library must not read a partial file.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
        seconds
    }

    /// Removes what the library leaves of a killed process.
    pub(super) fn clean_up(id: u32) {
        for name in ["faketime_shm", "sem.faketime_sem"] {
            fs::remove_file(format!("/dev/shm/{name}_{id}")).unwrap_or_default();
        }
    }
}
