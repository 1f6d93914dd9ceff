//! What a replay and a comparison share: running on all workers of a cluster, and the count of late
//! events.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use timely::dataflow::Stream;
use timely::dataflow::operators::Inspect;
use timely::worker::Worker;
use velodrome_dataflows::{Change, EventTime};

use super::cluster::{ClusterError, Members};

/// Why a run has no results.
#[derive(Debug, Error)]
pub enum RunError {
    /// The workers cannot start, or another process was lost.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The file of rejected lines cannot be written.
    #[error("cannot write the rejected lines: {0}; make room for them and run again")]
    DeadLetters(std::io::Error),
    /// A worker panicked.
    #[error("a worker was lost; run the command again")]
    Lost,
}

/// Runs `work` on all workers of `members`, with `given` passed to worker 0. Returns worker 0's outcome,
/// or `None` in processes other than worker 0's.
///
/// # Errors
/// When the workers cannot start, when one of them or another process is lost, and the errors of `work`.
pub(super) fn run_on_workers<G: Send + 'static, T: Send + 'static>(
    members: &mut Members,
    given: Option<G>,
    work: impl Fn(&mut Worker, Option<G>) -> Result<Option<T>, RunError> + Send + Sync + 'static,
) -> Result<Option<T>, RunError> {
    let given = Mutex::new(given);
    let results = members.run(move |worker| {
        let is_first = worker.index() == 0;
        let given =
            is_first.then(|| given.lock().unwrap_or_else(PoisonError::into_inner).take()).flatten();
        work(worker, given)
    })?;
    let mut outcome = None;
    for result in results {
        outcome = outcome.or(result.map_err(|_| RunError::Lost)??);
    }
    Ok(outcome)
}

/// Adds the late events among `changes` to `late`, and returns the stream unchanged.
pub(super) fn count_late<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
    late: &Rc<Cell<u64>>,
) -> Stream<'scope, EventTime, Vec<Change>> {
    let late = Rc::clone(late);
    changes.inspect(move |change| {
        if let Change::Late(count) = change {
            late.set(late.get() + count);
        }
    })
}
