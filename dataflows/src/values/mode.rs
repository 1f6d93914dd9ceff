//! The two ways in which the graph runs.

use super::ids::EventTime;

/// Whether the graph replays a finite input, or runs as a service.
///
/// ```
/// use velodrome_dataflows::Mode;
///
/// // Results of all events, and results as they were at one second.
/// let everything = Mode::Replay { until: u64::MAX };
/// let as_of = Mode::Replay { until: 1_620_240_361_000 };
/// assert_ne!(everything, as_of);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A run over a finite input. Results are never removed.
    ///
    /// Only rides that close by `until` have a result; rides close at whole seconds. The caller must
    /// leave out events whose clock is later than `until`.
    Replay {
        /// The last event time to include. `EventTime::MAX` closes all rides.
        until: EventTime,
    },
    /// A run over an unbounded input.
    ///
    /// A result is removed [`RETENTION_MS`](crate::RETENTION_MS) after its ride finished; a later event
    /// of that ride starts it again. In addition, the graph emits stages and the changes that a
    /// checkpoint saves.
    Service,
}
