//! Crashes of the machine that a service runs on: kills, losses of power, and steps of the wall clock.
//!
//! A loss of power needs `strace`, which records the service's system calls, and the clock needs libfaketime.
//! `scripts/soak` installs both. Without them, a crash is a kill.

mod calls;
mod disk;
mod fake_clock;
mod interrupted;
// The rules are those of the simulation's disk.
#[expect(dead_code, reason = "only the simulation imports files")]
#[path = "../../../src/disk/tests/simulated/journal/mod.rs"]
mod journal;
mod machine;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use machine::Machine;
