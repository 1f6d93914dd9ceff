//! Groups of events that arrived in the same minute.

use std::collections::BTreeMap;
use std::ops::Range;

use velodrome_dataflows::{EVENT_LAG_MS_MAX, EventTime};

use super::command::Events;
use super::decoded_batch::DecodedBatch;

/// Events that arrived in the same minute.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The clock of the last event.
    pub(super) last: EventTime,
    pub(super) events: Events,
    /// The number of lines before them that are not events.
    pub(super) rejected: u64,
}

impl Group {
    /// The minute of its events.
    pub(super) fn minute(&self) -> u64 {
        self.last / EVENT_LAG_MS_MAX
    }
}

/// The events of a batch that arrived within `span`, grouped by minute of the clock. The last clock
/// of each group becomes its logical time.
pub(super) fn minute_groups(
    batch: &mut DecodedBatch,
    event_times: &[EventTime],
    span: &Range<EventTime>,
) -> impl Iterator<Item = Group> + use<> {
    let mut groups: BTreeMap<u64, (EventTime, Events)> = BTreeMap::new();
    let (samples, tracking) = batch.drain_stamped(event_times);
    for sample in samples.filter(|sample| span.contains(&sample.clock)) {
        let (last, events) = groups.entry(sample.clock / EVENT_LAG_MS_MAX).or_default();
        *last = sample.clock.max(*last);
        events.samples.push(sample);
    }
    for event in tracking.filter(|event| span.contains(&event.clock)) {
        let (last, events) = groups.entry(event.clock / EVENT_LAG_MS_MAX).or_default();
        *last = event.clock.max(*last);
        events.tracking.push(event);
    }
    groups.into_values().map(|(last, events)| Group { last, events, rejected: 0 })
}
