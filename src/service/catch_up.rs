//! Has a standby engine catch up with the present: it replays the log's files, and then receives the log's deliveries.
//!
//! ```text
//! archive, segments ──► standby engine     lags by hours, minutes, seconds …
//! log ──► standby feed ──► standby engine  … and then keeps up
//! ```

use std::time::{Duration, Instant};

use velodrome_dataflows::EventTime;

use crate::engine::{Engine, Feeder, StandbyFeed};

/// A pass over the log that takes no longer than this leaves the standby engine close enough to the
/// present. The feed then queues the log's deliveries during one last pass. The limit doubles after each
/// longer pass, so that a slow machine also reaches it.
const FINAL_PASS_MAX: Duration = Duration::from_secs(2);

/// The interval at which waits check whether the catch-up is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// Has `engine` catch up with the present from the time `from`, and attaches it to `feed`. Returns false if it is no longer
/// wanted.
///
/// `advance` requests an advance of the log, which may be idle, past a time. `replay` sends the events of the log that arrived in a span, from its first time on and before its second, to the
/// engine. It returns false if they are no longer wanted, as `is_wanted` does.
///
/// # Errors
/// Those of `replay`.
pub(super) fn catch_up<E>(
    feed: &StandbyFeed,
    engine: &Engine,
    mut from: EventTime,
    mut replay: impl FnMut(EventTime, EventTime) -> Result<bool, E>,
    advance: impl Fn(EventTime),
    is_wanted: impl Fn() -> bool,
) -> Result<bool, E> {
    let mut final_pass_max = FINAL_PASS_MAX;
    loop {
        let (began, until) = (Instant::now(), feed.last_advance());
        if !replay(from, until)? {
            return Ok(false);
        }
        from = until.max(from);
        if began.elapsed() > final_pass_max {
            final_pass_max *= 2;
            continue;
        }
        // All deliveries before the start of the queue arrived at `queued_from` or earlier. The last
        // pass reads up to a later advance, so it includes them. The queue has the rest.
        let queued_from = feed.start_queueing();
        advance(queued_from);
        let Some(until) = wait_advance_past(feed, queued_from, &is_wanted) else {
            return Ok(false);
        };
        if !replay(from, until)? {
            return Ok(false);
        }
        match feed.attach(Feeder::new(engine.clone()), until.max(from)) {
            Ok(()) => return Ok(true),
            // The queue overflowed during the last pass: catch up again from there.
            Err(reached) => from = reached,
        }
    }
}

/// Waits for an advance of the log to a time after `clock`. Returns `None` if nobody wants it any more.
fn wait_advance_past(
    feed: &StandbyFeed,
    clock: EventTime,
    is_wanted: impl Fn() -> bool,
) -> Option<EventTime> {
    loop {
        let advanced = feed.wait_advance_past(clock, POLL);
        if advanced.is_some() || !is_wanted() {
            return advanced;
        }
    }
}
