//! A queue of records for one connection to a stream. Records of the same key are sent one after the
//! other.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::batch::Batch;
use super::backoff::pause;
use crate::kinesis::put::{PutOutcome, PutRecord, REQUEST_BYTES_MAX};

/// A line that is sent as a record.
#[derive(Debug)]
pub(super) struct QueuedRecord {
    pub(super) batch: Arc<Batch>,
    pub(super) text: Range<usize>,
    /// The partition key.
    pub(super) key: Box<str>,
    /// When to send it, from the start of the load test; `None` for as soon as possible.
    pub(super) due: Option<Duration>,
}

/// A queue of records. A request has at most one record of each key, so no record overtakes an earlier
/// one of its key that has to be sent again.
#[derive(Debug, Default)]
pub(super) struct RecordQueue {
    entries: VecDeque<Entry>,
}

/// A record that is not in the stream yet.
#[derive(Debug)]
struct Entry {
    record: QueuedRecord,
    /// The earliest time at which it is sent, or sent again.
    at: Duration,
    /// When it was first sent.
    first: Option<Duration>,
    attempts: u32,
}

/// Records that are sent in one request.
#[derive(Debug)]
pub(super) struct PickedRecords {
    /// Their positions in the queue, ascending.
    positions: Vec<usize>,
    /// The number of records that were sent before.
    pub(super) resent: u64,
    /// The earliest time at which one of them was first sent.
    pub(super) since: Duration,
    /// The maximum lag of the records that are sent for the first time; `None` without a schedule.
    pub(super) lag: Option<Duration>,
}

impl QueuedRecord {
    fn data(&self) -> &[u8] {
        self.batch.text().get(self.text.clone()).unwrap_or_default()
    }
}

impl RecordQueue {
    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a record at the end.
    pub(super) fn push(&mut self, record: QueuedRecord) {
        let at = record.due.unwrap_or_default();
        self.entries.push_back(Entry { record, at, first: None, attempts: 0 });
    }

    /// The first record of each key, with its position.
    fn heads(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let mut keys = HashSet::with_capacity(self.entries.len());
        self.entries.iter().enumerate().filter(move |(_, entry)| keys.insert(&*entry.record.key))
    }

    /// The earliest time at which a record can be sent, or `None` for an empty queue.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.heads().map(|(_, entry)| entry.at).min()
    }

    /// Picks up to `records_max` records that can be sent at `now`, up to the size of a request. Returns
    /// `None` if there are none.
    pub(super) fn pick(&mut self, now: Duration, records_max: usize) -> Option<PickedRecords> {
        let mut room = REQUEST_BYTES_MAX;
        let due = self.heads().filter(|(_, entry)| entry.at <= now);
        let fits = due.map_while(|(position, Entry { record, .. })| {
            room = room.checked_sub(record.text.len() + record.key.len())?;
            Some(position)
        });
        let positions: Vec<_> = fits.take(records_max).collect();
        let mut picked = PickedRecords { positions, resent: 0, since: now, lag: None };
        for position in &picked.positions {
            let Some(entry) = self.entries.get_mut(*position) else { continue };
            if entry.first.is_none() {
                picked.lag = picked.lag.max(entry.record.due.map(|due| now.saturating_sub(due)));
            }
            picked.since = picked.since.min(*entry.first.get_or_insert(now));
            picked.resent += u64::from(entry.attempts > 0);
        }
        (!picked.positions.is_empty()).then_some(picked)
    }

    /// The records to send.
    pub(super) fn records(&self, picked: &PickedRecords) -> Vec<PutRecord<'_>> {
        let entries = picked.positions.iter().filter_map(|position| self.entries.get(*position));
        entries
            .map(|Entry { record, .. }| PutRecord { key: &record.key, data: record.data() })
            .collect()
    }

    /// Removes the records that the stream accepted at `now`, and returns the latency of each. The
    /// others stay in their positions to be sent again; `jitter` (0 to 1) spreads the times of the
    /// retries.
    pub(super) fn settle(
        &mut self,
        picked: &PickedRecords,
        outcomes: &[PutOutcome],
        now: Duration,
        mut jitter: impl FnMut() -> f64,
    ) -> Vec<Duration> {
        let mut outcomes = picked.positions.iter().zip(outcomes).peekable();
        let (mut position, mut latencies) = (0, Vec::new());
        self.entries.retain_mut(|entry| {
            let outcome = outcomes.next_if(|(picked, _)| **picked == position);
            position += 1;
            match outcome.map(|(_, outcome)| outcome) {
                Some(PutOutcome::Accepted) => {
                    latencies.push(now.saturating_sub(entry.first.unwrap_or(now)));
                    return false;
                }
                Some(PutOutcome::Throttled | PutOutcome::Failed(_)) => {
                    entry.at = now + pause(None, entry.attempts, jitter());
                    entry.attempts = entry.attempts.saturating_add(1);
                }
                None => {}
            }
            true
        });
        latencies
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn record(key: &str, data: &str, due: Option<Duration>) -> QueuedRecord {
        let batch = Arc::new(Batch { text: data.as_bytes().to_vec(), ends: Vec::new() });
        QueuedRecord { text: 0..data.len(), batch, key: key.into(), due }
    }

    fn queue(records: &[(&str, &str)]) -> RecordQueue {
        let mut queue = RecordQueue::default();
        records.iter().for_each(|(key, data)| queue.push(record(key, data, None)));
        queue
    }

    /// The records that are picked at `now`, and their data.
    fn pick(queue: &mut RecordQueue, now: Duration) -> (Option<PickedRecords>, Vec<String>) {
        let picked = queue.pick(now, 500);
        let records = picked.as_ref().map(|picked| queue.records(picked)).unwrap_or_default();
        let data = records.iter().map(|r| String::from_utf8(r.data.to_vec()).unwrap()).collect();
        (picked, data)
    }

    #[test]
    fn a_record_waits_only_for_earlier_records_of_its_key() {
        let mut queue = queue(&[("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1"), ("a", "a3")]);
        let (picked, data) = pick(&mut queue, NOW);
        assert_eq!(data, ["a1", "b1", "c1"]);
        let outcomes =
            [PutOutcome::Throttled, PutOutcome::Accepted, PutOutcome::Failed("x".to_owned())];
        let latencies = queue.settle(&picked.unwrap(), &outcomes, NOW * 2, || 0.0);
        assert_eq!(latencies, [NOW]);
        // The first pause is 50 ms. Until then a1 blocks the other records of its key.
        assert_eq!(pick(&mut queue, NOW * 2).1, [""; 0]);
        let again = queue.next_at().unwrap();
        assert_eq!(again, NOW * 2 + Duration::from_millis(50));
        let (picked, data) = pick(&mut queue, again);
        assert_eq!(data, ["a1", "c1"]);
        let picked = picked.unwrap();
        assert_eq!((picked.resent, picked.since), (2, NOW));
        queue.settle(&picked, &[PutOutcome::Accepted, PutOutcome::Accepted], again, || 0.0);
        assert_eq!(pick(&mut queue, again).1, ["a2"]);
    }

    #[test]
    fn records_are_sent_when_they_are_due_and_their_lag_is_known() {
        let mut queue = RecordQueue::default();
        queue.push(record("a", "later", Some(NOW * 3)));
        queue.push(record("b", "now", Some(NOW)));
        assert_eq!(queue.next_at(), Some(NOW));
        let (picked, data) = pick(&mut queue, NOW * 2);
        assert_eq!((data, picked.unwrap().lag), (vec!["now".to_owned()], Some(NOW)));
    }

    #[test]
    fn a_request_respects_the_limits_of_records_and_bytes() {
        let large = "x".repeat(1 << 20);
        let keys: Vec<_> = (0..6).map(|key| key.to_string()).collect();
        let mut queue = queue(&keys.iter().map(|key| (&key[..], &large[..])).collect::<Vec<_>>());
        assert_eq!(pick(&mut queue, NOW).1.len(), 4);
        assert_eq!(queue.pick(NOW, 3).unwrap().positions, [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn records_of_a_key_arrive_once_and_in_order_whatever_fails(
            keys in prop::collection::vec(0..5_u8, 1..60),
            fails in prop::collection::vec(any::<bool>(), 1..40),
        ) {
            let records: Vec<_> =
                keys.iter().enumerate().map(|(n, key)| (key.to_string(), n.to_string())).collect();
            let mut queue = queue(&records.iter().map(|(k, d)| (&k[..], &d[..])).collect::<Vec<_>>());
            let mut now = NOW;
            let mut fails = fails.iter().copied().chain(std::iter::repeat(false));
            let mut accepted = Vec::new();
            while let Some(at) = queue.next_at() {
                now = now.max(at);
                let (picked, data) = pick(&mut queue, now);
                let outcome = |fails| if fails { PutOutcome::Throttled } else { PutOutcome::Accepted };
                let outcomes: Vec<_> = data.iter().map(|_| outcome(fails.next().unwrap())).collect();
                let key_of = |data: &String| keys[data.parse::<usize>().unwrap()];
                let is_accepted = |(_, outcome): &(_, &PutOutcome)| **outcome == PutOutcome::Accepted;
                let sent = data.iter().zip(&outcomes).filter(is_accepted);
                accepted.extend(sent.map(|(data, _)| (key_of(data), data.parse::<usize>().unwrap())));
                queue.settle(&picked.unwrap(), &outcomes, now, || 0.5);
            }
            prop_assert_eq!(accepted.len(), keys.len());
            for key in 0..5 {
                prop_assert!(accepted.iter().filter(|(of, _)| *of == key).is_sorted());
            }
        }
    }
}
