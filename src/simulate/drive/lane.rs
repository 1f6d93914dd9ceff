//! Records on their way into a stream over one connection, those of a key one after the other.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::Batch;
use super::connection::pause;
use crate::kinesis::put::{REQUEST_BYTES_MAX, Record, Verdict};

/// A line that becomes a record.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) batch: Arc<Batch>,
    pub(super) text: Range<usize>,
    /// What tells its shard.
    pub(super) key: Box<str>,
    /// When to send it, from the beginning of the drive; none where it is due at once.
    pub(super) due: Option<Duration>,
}

/// Records in order, of which several are under way at a time, but never two of one key: so none overtakes
/// an earlier one of its key that has to be sent again.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<Waiting>,
}

/// A record that is not in the stream yet.
#[derive(Debug)]
struct Waiting {
    put: Put,
    /// When it may be sent, or sent again.
    at: Duration,
    /// When it was sent first, once it was.
    first: Option<Duration>,
    tries: u32,
}

/// Records that are sent together.
#[derive(Debug)]
pub(super) struct Picked {
    /// Their places in the lane, ascending.
    places: Vec<usize>,
    /// How many of them were sent before.
    pub(super) again: u64,
    /// When the first of them was sent first.
    pub(super) since: Duration,
    /// How far behind its schedule the latest is that goes for the first time; none without a schedule.
    pub(super) lag: Option<Duration>,
}

impl Put {
    fn data(&self) -> &[u8] {
        self.batch.text().get(self.text.clone()).unwrap_or_default()
    }
}

impl Lane {
    /// How many records wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a record behind all others.
    pub(super) fn push(&mut self, put: Put) {
        let at = put.due.unwrap_or_default();
        self.waiting.push_back(Waiting { put, at, first: None, tries: 0 });
    }

    /// The first record of each key, and its place.
    fn heads(&self) -> impl Iterator<Item = (usize, &Waiting)> {
        let mut keys = HashSet::with_capacity(self.waiting.len());
        self.waiting.iter().enumerate().filter(move |(_, waiting)| keys.insert(&*waiting.put.key))
    }

    /// When a record may be sent; none where there is none.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.heads().map(|(_, waiting)| waiting.at).min()
    }

    /// Up to `most` records that may be sent at `now`, as far as a request has room; none where there are none.
    pub(super) fn pick(&mut self, now: Duration, most: usize) -> Option<Picked> {
        let mut room = REQUEST_BYTES_MAX;
        let due = self.heads().filter(|(_, waiting)| waiting.at <= now);
        let fits = due.map_while(|(place, Waiting { put, .. })| {
            room = room.checked_sub(put.text.len() + put.key.len())?;
            Some(place)
        });
        let places: Vec<_> = fits.take(most).collect();
        let mut picked = Picked { places, again: 0, since: now, lag: None };
        for place in &picked.places {
            let Some(waiting) = self.waiting.get_mut(*place) else { continue };
            if waiting.first.is_none() {
                picked.lag = picked.lag.max(waiting.put.due.map(|due| now.saturating_sub(due)));
            }
            picked.since = picked.since.min(*waiting.first.get_or_insert(now));
            picked.again += u64::from(waiting.tries > 0);
        }
        (!picked.places.is_empty()).then_some(picked)
    }

    /// What is sent of `picked`.
    pub(super) fn records(&self, picked: &Picked) -> Vec<Record<'_>> {
        let waiting = picked.places.iter().filter_map(|place| self.waiting.get(*place));
        waiting.map(|Waiting { put, .. }| Record { key: &put.key, data: put.data() }).collect()
    }

    /// Takes out what the stream has taken at `now`, and gives how long each of these took. The others wait
    /// where they are to be sent again; `chance` spreads that.
    pub(super) fn settle(
        &mut self,
        picked: &Picked,
        verdicts: &[Verdict],
        now: Duration,
        mut chance: impl FnMut() -> f64,
    ) -> Vec<Duration> {
        let mut told = picked.places.iter().zip(verdicts).peekable();
        let (mut place, mut took) = (0, Vec::new());
        self.waiting.retain_mut(|waiting| {
            let verdict = told.next_if(|(told, _)| **told == place).map(|(_, verdict)| verdict);
            place += 1;
            match verdict {
                Some(Verdict::Taken) => {
                    took.push(now.saturating_sub(waiting.first.unwrap_or(now)));
                    return false;
                }
                Some(Verdict::Throttled | Verdict::Failed(_)) => {
                    waiting.at = now + pause(None, waiting.tries, chance());
                    waiting.tries = waiting.tries.saturating_add(1);
                }
                None => {}
            }
            true
        });
        took
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn put(key: &str, data: &str, due: Option<Duration>) -> Put {
        let batch = Arc::new(Batch { text: data.as_bytes().to_vec(), ends: Vec::new() });
        Put { text: 0..data.len(), batch, key: key.into(), due }
    }

    fn lane(records: &[(&str, &str)]) -> Lane {
        let mut lane = Lane::default();
        records.iter().for_each(|(key, data)| lane.push(put(key, data, None)));
        lane
    }

    /// What goes out at `now`.
    fn sent(lane: &mut Lane, now: Duration) -> (Option<Picked>, Vec<String>) {
        let picked = lane.pick(now, 500);
        let records = picked.as_ref().map(|picked| lane.records(picked)).unwrap_or_default();
        let data = records.iter().map(|r| String::from_utf8(r.data.to_vec()).unwrap()).collect();
        (picked, data)
    }

    #[test]
    fn a_record_waits_for_those_of_its_key_and_for_no_others() {
        let mut lane = lane(&[("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1"), ("a", "a3")]);
        let (picked, data) = sent(&mut lane, NOW);
        assert_eq!(data, ["a1", "b1", "c1"]);
        let verdicts = [Verdict::Throttled, Verdict::Taken, Verdict::Failed("x".to_owned())];
        let took = lane.settle(&picked.unwrap(), &verdicts, NOW * 2, || 0.0);
        assert_eq!(took, [NOW]);
        // The first wait is 50 ms; until then a1 holds back the others of its key.
        assert_eq!(sent(&mut lane, NOW * 2).1, [""; 0]);
        let again = lane.next_at().unwrap();
        assert_eq!(again, NOW * 2 + Duration::from_millis(50));
        let (picked, data) = sent(&mut lane, again);
        assert_eq!(data, ["a1", "c1"]);
        let picked = picked.unwrap();
        assert_eq!((picked.again, picked.since), (2, NOW));
        lane.settle(&picked, &[Verdict::Taken, Verdict::Taken], again, || 0.0);
        assert_eq!(sent(&mut lane, again).1, ["a2"]);
    }

    #[test]
    fn records_go_when_they_are_due_and_tell_how_late_they_are() {
        let mut lane = Lane::default();
        lane.push(put("a", "later", Some(NOW * 3)));
        lane.push(put("b", "now", Some(NOW)));
        assert_eq!(lane.next_at(), Some(NOW));
        let (picked, data) = sent(&mut lane, NOW * 2);
        assert_eq!((data, picked.unwrap().lag), (vec!["now".to_owned()], Some(NOW)));
    }

    #[test]
    fn a_request_has_no_more_records_or_bytes_than_it_may() {
        let large = "x".repeat(1 << 20);
        let keys: Vec<_> = (0..6).map(|key| key.to_string()).collect();
        let mut lane = lane(&keys.iter().map(|key| (&key[..], &large[..])).collect::<Vec<_>>());
        assert_eq!(sent(&mut lane, NOW).1.len(), 4);
        assert_eq!(lane.pick(NOW, 3).unwrap().places, [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn each_key_arrives_in_order_and_once_whatever_fails(
            keys in prop::collection::vec(0..5_u8, 1..60),
            fails in prop::collection::vec(any::<bool>(), 1..40),
        ) {
            let records: Vec<_> =
                keys.iter().enumerate().map(|(n, key)| (key.to_string(), n.to_string())).collect();
            let mut lane = lane(&records.iter().map(|(k, d)| (&k[..], &d[..])).collect::<Vec<_>>());
            let mut now = NOW;
            let mut fails = fails.iter().copied().chain(std::iter::repeat(false));
            let mut taken = Vec::new();
            while let Some(at) = lane.next_at() {
                now = now.max(at);
                let (picked, data) = sent(&mut lane, now);
                let verdict = |fails| if fails { Verdict::Throttled } else { Verdict::Taken };
                let verdicts: Vec<_> = data.iter().map(|_| verdict(fails.next().unwrap())).collect();
                let of = |data: &String| keys[data.parse::<usize>().unwrap()];
                let is_taken = |(_, verdict): &(_, &Verdict)| **verdict == Verdict::Taken;
                let told = data.iter().zip(&verdicts).filter(is_taken);
                taken.extend(told.map(|(data, _)| (of(data), data.parse::<usize>().unwrap())));
                lane.settle(&picked.unwrap(), &verdicts, now, || 0.5);
            }
            prop_assert_eq!(taken.len(), keys.len());
            for key in 0..5 {
                prop_assert!(taken.iter().filter(|(of, _)| *of == key).is_sorted());
            }
        }
    }
}
