//! What the log delivers to its consumer.

/// The length of a tick, in milliseconds: the time resolution that readers see.
///
/// After each tick with a batch, the log delivers an advance past the end of the tick. Under steady load
/// there is at most one advance per tick.
pub const TICK_MS: u64 = 10;

/// A delivery of the log to its consumer, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<P> {
    /// A batch that has become durable. The arrivals of its lines never decrease.
    Batch {
        /// The arrival of its first line.
        first_arrival: u64,
        /// The arrival of its last line.
        last_arrival: u64,
        /// The payload that the caller appended with the lines.
        payload: P,
    },
    /// Every later batch has an arrival of at least this, as long as this process runs.
    Advance(u64),
}
