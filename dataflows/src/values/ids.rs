//! Ids, and the time of the event clock.

/// A class: a kind of race with its own boards. Every id is valid; Alleycat, the AWS sample whose
/// formats this project reads, uses 1 to 6.
pub type ClassId = u16;

/// A racer. Every id is valid, 0 included.
pub type RacerId = u32;

/// A race's id within its class: opaque, and below 2^53, so that JSON numbers carry it exactly.
///
/// The same id can occur in several classes. A race is identified by `(ClassId, RaceId)`.
pub type RaceId = u64;

/// A racer in a class, who has a name, records and a place on the leaderboard there.
pub type RacerKey = (ClassId, RacerId);

/// A ride: one racer in one race of a class.
pub type RideKey = (ClassId, RaceId, RacerId);

/// A reading of the event clock in milliseconds since the Unix epoch.
///
/// The event clock is time as the events carry it. It alone decides when rides close and which samples
/// are late; the machine's clock does not. It is also the timestamp type of the dataflow.
pub type EventTime = u64;
