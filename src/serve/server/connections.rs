//! The connections that are open, and which of them are closed when there are too many.
//!
//! A client may use all connections that nobody else needs. When all are in use, some are closed for the
//! next client: those of the clients that have the most, and of theirs the idle ones first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;
use metrics::{counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::activity::{Activity, Phase};
use crate::serve::client::Client;

/// The share of all connections that is closed at a time. Choosing them takes time for each connection.
const CLOSED_SHARE: usize = 100;

/// The time until connections are chosen again, if none became free.
const RETRY: Duration = Duration::from_millis(100);

/// The open connections.
pub(super) struct Connections {
    max: usize,
    slots: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
}

/// The slot of an open connection. Dropping it frees the slot.
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    id: u64,
    _permit: OwnedSemaphorePermit,
}

/// A connection that can be closed.
struct Candidate {
    client: Client,
    phase: Phase,
    moved_at: Instant,
    activity: Arc<Activity>,
}

impl Connections {
    /// At most `max` connections.
    pub(super) fn new(max: usize) -> Self {
        let slots = Arc::new(Semaphore::new(max));
        Self { max, slots, open: Mutex::default(), next: AtomicU64::new(0) }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot for a new connection, for which others are closed if there is none.
    pub(super) async fn admit(self: &Arc<Self>, activity: &Arc<Activity>) -> ConnectionSlot {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
                break permit;
            }
            self.make_room(activity.client().get());
            // A connection that is busy now may be idle later.
            let acquired = timeout(RETRY, Arc::clone(&self.slots).acquire_owned()).await;
            if let Ok(Ok(permit)) = acquired {
                break permit;
            }
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.open().insert(id, Arc::clone(activity));
        gauge!("velodrome_http_connections").increment(1.0);
        ConnectionSlot { connections: Arc::clone(self), id, _permit: permit }
    }

    /// Closes some connections for one of `newcomer`.
    fn make_room(&self, newcomer: Client) {
        let batch = (self.max / CLOSED_SHARE).max(1);
        let candidate = |activity: &Arc<Activity>| {
            let (phase, moved_at) = activity.phase();
            let client = activity.client().get();
            Candidate { client, phase, moved_at, activity: Arc::clone(activity) }
        };
        let open: Vec<_> = self.open().values().map(candidate).collect();
        let chosen = choose(open, newcomer, self.max, batch);
        counter!("velodrome_http_connections_closed_for_others_total")
            .increment(chosen.len() as u64);
        for Candidate { activity, .. } in chosen {
            activity.make_room();
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
        gauge!("velodrome_http_connections").decrement(1.0);
    }
}

/// The connections to close, at most `batch`.
///
/// The clients that have the most lose as many as leave all of them with the same number, idle ones
/// first. A busy connection is closed only for another client, and only if its client has more than an
/// equal share of `max`.
fn choose(mut open: Vec<Candidate>, newcomer: Client, max: usize, batch: usize) -> Vec<Candidate> {
    let mut counts = HashMap::<Client, usize>::from([(newcomer, 1)]);
    for candidate in &open {
        *counts.entry(candidate.client).or_default() += 1;
    }
    let level = level(counts.values().copied().collect(), max.saturating_sub(batch));
    let share = max.checked_div(counts.len()).unwrap_or(max).max(1);
    let mut excess: HashMap<Client, usize> =
        counts.iter().map(|(client, count)| (*client, count.saturating_sub(level))).collect();
    open.sort_by_key(|candidate| (candidate.phase, candidate.moved_at));
    open.retain(|candidate| {
        let is_over_share = counts.get(&candidate.client).is_some_and(|count| *count > share);
        let may_close =
            candidate.phase < Phase::Busy || (candidate.client != newcomer && is_over_share);
        match excess.get_mut(&candidate.client) {
            Some(left @ 1..) if may_close => {
                *left -= 1;
                true
            }
            _ => false,
        }
    });
    open.truncate(batch);
    open
}

/// The greatest level for which the sum of all counts, each cut to it, is at most `max`.
fn level(mut counts: Vec<usize>, max: usize) -> usize {
    counts.sort_unstable();
    let (mut left, mut clients) = (max, counts.len());
    for count in counts {
        // All remaining clients have at least `count`.
        if count * clients > left {
            break;
        }
        left -= count;
        clients -= 1;
    }
    left.checked_div(clients).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::limits::Limits;

    /// Connections of clients, in the order in which they last moved.
    fn open(phases: &[(u64, Phase)]) -> Vec<Candidate> {
        let started = Instant::now();
        let candidate = |(at, (client, phase)): (usize, &(u64, Phase))| Candidate {
            client: Client::Token(*client),
            phase: *phase,
            moved_at: started + Duration::from_millis(at as u64),
            activity: Arc::new(Activity::new(Client::Token(*client), &Limits::default())),
        };
        phases.iter().enumerate().map(candidate).collect()
    }

    /// The clients and phases of the chosen connections.
    fn chosen(phases: &[(u64, Phase)], newcomer: u64, batch: usize) -> Vec<(u64, Phase)> {
        let candidates = choose(open(phases), Client::Token(newcomer), phases.len(), batch);
        let shown = candidates.iter().map(|candidate| match candidate.client {
            Client::Token(client) => (client, candidate.phase),
            Client::Address(_) => unreachable!(),
        });
        shown.collect()
    }

    use Phase::{Busy, Idle, Stalled};

    #[test]
    fn the_client_with_the_most_loses_idle_connections_first() {
        let open = [(1, Busy), (1, Stalled), (2, Idle), (1, Idle), (1, Busy)];
        assert_eq!(chosen(&open, 3, 1), [(1, Idle)]);
        assert_eq!(chosen(&open, 3, 2), [(1, Idle), (1, Stalled)]);
        let busy = [(1, Busy), (1, Busy), (1, Busy), (1, Idle), (2, Idle)];
        assert_eq!(chosen(&busy, 3, 2), [(1, Idle), (1, Busy)]);
        // It makes room for itself, but not at the cost of its requests.
        assert_eq!(chosen(&open, 1, 3), [(1, Idle), (1, Stalled)]);
    }

    #[test]
    fn clients_with_their_share_lose_only_what_is_not_in_use() {
        assert_eq!(chosen(&[(1, Busy), (2, Busy), (3, Busy)], 4, 1), []);
        assert_eq!(chosen(&[(1, Busy), (2, Stalled), (3, Idle)], 4, 1), [(3, Idle)]);
        let many = [(1, Busy), (1, Busy), (1, Busy), (2, Busy)];
        assert_eq!(chosen(&many, 2, 1), [(1, Busy)]);
        assert_eq!(chosen(&many, 3, 4), [(1, Busy), (1, Busy), (1, Busy)]);
    }
}
