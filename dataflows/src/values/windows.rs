//! Durations on the event clock after which rides close, samples are late and results are removed.

/// How long late samples still change the result of a finished ride, in milliseconds: one hour.
///
/// A later sample still changes records and the leaderboard, and is counted as late.
pub const REPAIR_WINDOW_MS: u64 = 3_600_000;

/// How long a service retains a result after its ride finished, in milliseconds: 7 days.
pub const RETENTION_MS: u64 = 7 * DAY_MS;

/// An event that is sent again on the same day of the event clock, or up to this many days later, counts
/// once.
pub const DEDUP_DAYS: u64 = 7;

/// How far an event's clock may lag behind its logical time in a service, in milliseconds.
///
/// During recovery, a service sends up to a minute of arrivals at one logical time.
pub const EVENT_LAG_MS_MAX: u64 = 60_000;

/// Closing times are rounded up to this step, so that the graph holds few capabilities.
pub(crate) const CLOSE_STEP_MS: u64 = 1000;

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 86_400_000;
