//! Recovery: sends the events in the log's files through the engine again.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::runtime::Handle;
use tokio::time::timeout;
use velodrome_dataflows::{EVENT_LAG_MS_MAX, EventTime, Rules};

use super::backlog::completes_at;
use super::command::Events;
use super::event_groups::Group;
use super::feeder::Feeder;
use super::handle::Engine;
use super::log_reader::{LogReader, next_group};
use super::recover_error::RecoverError;
use crate::ingest::inputs::Input;

/// The maximum number of event groups that are sent to the workers and not yet complete. It bounds
/// memory.
const GROUPS_AHEAD_MAX: usize = 8;

/// The interval at which a wait checks whether the recovery is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// The span of the log before a checkpoint's time that recovery must read again, in milliseconds of the
/// event clock.
///
/// A ride that was running at the checkpoint's time can have started that long before it. A checkpoint that
/// was saved during a recovery or a rebuild can lack the events of one group, which arrived within a minute
/// before it. The window includes two seconds for the rounding of times.
pub fn recovery_window_ms(rules: &Rules) -> u64 {
    let ride_ms = (u64::from(rules.race_seconds) + u64::from(rules.grace_seconds)) * 1000;
    ride_ms.max(EVENT_LAG_MS_MAX) + 2000
}

/// The progress of a recovery.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecoveryCounts {
    /// Events sent to the engine.
    pub events: u64,
    /// Lines that are not events. The log accepts only events, so such lines mean that its files were
    /// changed.
    pub rejected: u64,
    /// The clock at the last event.
    pub clock: EventTime,
    /// Bytes read of the inputs.
    pub bytes: u64,
}

/// Sends the events of `logs` that arrived within `span` to `engine`, in the order of their arrivals. Each log has its
/// inputs in order. Returns when all events are complete, except those of the last tick.
///
/// Calls `observe` with all events, before it sends them. Calls `should_continue` after each batch, and
/// stops when it returns false. Adds to `counts` even if it returns an error. Blocks the calling thread,
/// which must not be one of `runtime`'s.
///
/// # Errors
/// When a file cannot be read, and when the engine stops.
pub fn recover(
    logs: &[Vec<Input>],
    span: Range<EventTime>,
    engine: &Engine,
    runtime: &Handle,
    counts: &mut RecoveryCounts,
    mut observe: impl FnMut(&Events),
    mut should_continue: impl FnMut(&RecoveryCounts) -> bool,
) -> Result<(), RecoverError> {
    let feeder = Feeder::new(engine.clone());
    let mut pending = VecDeque::new();
    let (bytes, bytes_before) = (ProgressBar::hidden(), counts.bytes);
    let mut logs: Vec<_> =
        logs.iter().map(|inputs| LogReader::new(inputs, span.clone(), bytes.clone())).collect();
    while let Some(Group { last, events, rejected }) = next_group(&mut logs)? {
        counts.rejected += rejected;
        counts.bytes = bytes_before + bytes.position();
        if !events.is_empty() {
            counts.events += events.len() as u64;
            counts.clock = last;
            observe(&events);
            feeder.send_events(last, events);
            engine.advance(last);
            pending.push_back(last);
        }
        let awaited = (pending.len() > GROUPS_AHEAD_MAX).then(|| pending.pop_front()).flatten();
        let mut should_continue = || should_continue(counts);
        let is_complete = match awaited {
            Some(clock) => wait_complete(engine, clock, runtime, &mut should_continue)?,
            None => true,
        };
        if !is_complete || !should_continue() {
            return Ok(());
        }
    }
    wait_complete(engine, counts.clock, runtime, || should_continue(counts)).map(drop)
}

/// Waits until everything before the tick of `clock` is complete: the tick itself completes only when later events
/// arrive. Returns false if that is no longer wanted.
fn wait_complete(
    engine: &Engine,
    clock: EventTime,
    runtime: &Handle,
    mut should_continue: impl FnMut() -> bool,
) -> Result<bool, RecoverError> {
    loop {
        let completed = engine.wait_complete(completes_at(clock));
        match runtime.block_on(async { timeout(POLL, completed).await }) {
            Ok(completed) => return completed.map(|()| true).map_err(|_| RecoverError::Stopped),
            Err(_) if !should_continue() => return Ok(false),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_includes_a_ride_and_a_group() {
        let window_ms = |race_seconds, grace_seconds| {
            recovery_window_ms(&Rules { race_seconds, grace_seconds, ..Rules::default() })
        };
        assert_eq!((window_ms(300, 60), window_ms(5, 3)), (362_000, 62_000));
    }
}
