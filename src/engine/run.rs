//! What a replay and a comparison share: running on all workers of a cluster, and the count of late
//! events.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;
use timely::dataflow::Stream;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::probe::Handle;
use timely::progress::Timestamp;
use timely::worker::Worker;
use velodrome_dataflows::{Change, EventTime};

use super::cluster::{ClusterError, Members};
use crate::mesh::Fate;

/// Why a run has no results.
#[derive(Debug, Error)]
pub enum RunError {
    /// The workers cannot start, or another process was lost.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The file of rejected lines cannot be written.
    #[error("cannot write the rejected lines: {0}; make room for them and run again")]
    DeadLetters(std::io::Error),
    /// A worker or a process was lost.
    #[error("a worker was lost; run the command again")]
    Lost,
}

/// A worker of a run.
pub(super) struct RunWorker<'a> {
    worker: &'a mut Worker,
    fate: &'a Fate,
}

impl RunWorker<'_> {
    /// Steps once.
    ///
    /// # Errors
    /// When the run has failed. What the worker does from then on has no effect.
    pub(super) fn step(&mut self) -> Result<(), RunError> {
        self.check()?;
        self.worker.step();
        Ok(())
    }

    /// Steps once, after waiting until there is something to do.
    ///
    /// # Errors
    /// When the run has failed.
    pub(super) fn step_or_park(&mut self) -> Result<(), RunError> {
        self.check()?;
        self.worker.step_or_park(None);
        Ok(())
    }

    fn check(&self) -> Result<(), RunError> {
        if self.fate.has_ended() { Err(RunError::Lost) } else { Ok(()) }
    }

    /// Steps until all times have passed `probe`.
    ///
    /// # Errors
    /// When the run has failed.
    pub(super) fn complete<T: Timestamp>(&mut self, probe: &Handle<T>) -> Result<(), RunError> {
        while !probe.done() {
            self.step_or_park()?;
        }
        Ok(())
    }
}

impl Deref for RunWorker<'_> {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        self.worker
    }
}

impl DerefMut for RunWorker<'_> {
    fn deref_mut(&mut self) -> &mut Worker {
        self.worker
    }
}

/// Runs `work` on all workers of `members`, with `given` passed to worker 0. Returns worker 0's outcome,
/// or `None` in processes other than worker 0's.
///
/// # Errors
/// When the workers cannot start, when one of them or another process is lost, and the errors of `work`.
pub(super) fn run_on_workers<G: Send + 'static, T: Send + 'static>(
    members: &mut Members,
    given: Option<G>,
    work: impl Fn(RunWorker<'_>, Option<G>) -> Result<Option<T>, RunError> + Send + Sync + 'static,
) -> Result<Option<T>, RunError> {
    let given = Mutex::new(given);
    let results = members.run(move |worker, fate| {
        let is_first = worker.index() == 0;
        let given =
            is_first.then(|| given.lock().unwrap_or_else(PoisonError::into_inner).take()).flatten();
        work(RunWorker { worker, fate }, given)
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::engine::{Cluster, Settings};

    /// Forms a run of two processes with one worker each, and calls `run` for each on a thread of its own.
    fn in_both(run: impl Fn(usize, &mut Members) -> Result<Option<()>, RunError> + Sync) {
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let hosts = ports.map(|port| format!("{}\n", port.local_addr().unwrap())).concat();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), hosts).unwrap();
        let process = |process| {
            let (hosts, wait) = (Some(file.path()), Duration::from_secs(30));
            let cluster = Cluster::new(1, process, 2, hosts, None, wait).unwrap();
            let mut members = cluster.form(Settings::new("test"), &[]).unwrap();
            let result = run(process, &mut members);
            _ = members.end(result.map(|_| 0).map_err(|error| error.to_string()));
        };
        thread::scope(|scope| {
            scope.spawn(|| process(0));
            scope.spawn(|| process(1));
        });
    }

    #[test]
    fn a_worker_that_panics_ends_the_run_in_all_processes() {
        let (returned, returns) = mpsc::channel();
        in_both(|process, members| {
            let returned = returned.clone();
            let result = run_on_workers(members, None::<()>, move |mut worker, _| {
                assert!(process != 1, "as planned");
                loop {
                    if let Err(error) = worker.step_or_park() {
                        returned.send(()).unwrap();
                        return Err(error);
                    }
                }
            });
            let error = result.as_ref().err().unwrap().to_string();
            assert!(error.contains("a worker panicked: as planned"), "{error}");
            assert!(process == 1 || error.contains("process 1 at '127.0.0.1:"), "{error}");
            result
        });
        returns.recv_timeout(Duration::from_secs(30)).expect("the worker of process 0 hangs");
    }
}
