//! The workers of a run: threads of this process, and those of others.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use timely::communication::WorkerGuards;
use timely::worker::Worker;
use timely::{CommunicationConfig, Config, WorkerConfig};

/// How many workers there are, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Worker threads of each process, at least 1.
    pub workers: usize,
    /// Which process this is, from 0.
    pub process: usize,
    /// The address of each process, as host:port; empty where there is but one.
    pub hosts: Vec<String>,
}

/// A cluster that cannot be formed.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The host file cannot be read.
    #[error("cannot read the hosts '{0}': {1}")]
    Hosts(PathBuf, std::io::Error),
    /// The host file names too few processes.
    #[error("'{path}' names {found} hosts for {processes} processes; write one host:port a line")]
    TooFew {
        /// The file.
        path: PathBuf,
        /// How many lines it has.
        found: usize,
        /// How many there must be.
        processes: usize,
    },
    /// More processes than one, and nothing tells where they are.
    #[error("-n {0} needs --hosts FILE with one host:port a line")]
    NoHosts(usize),
    /// A process outside the cluster.
    #[error("-p {process} is none of -n {processes} processes; they count from 0")]
    NoSuchProcess {
        /// The process.
        process: usize,
        /// How many there are.
        processes: usize,
    },
    /// The workers could not be started.
    #[error("cannot start the workers: {0}")]
    Start(String),
    /// Some process of the cluster did not come.
    #[error("the cluster did not form within {0} s; start every process of --hosts")]
    Incomplete(u64),
}

impl Cluster {
    /// The cluster of `processes` processes, of which this is `process`, at the addresses in `hosts`.
    ///
    /// # Errors
    /// Hosts that are missing, cannot be read or are too few; a process that is none of them.
    pub fn new(
        workers: usize,
        process: usize,
        processes: usize,
        hosts: Option<&Path>,
    ) -> Result<Self, ClusterError> {
        if process >= processes {
            return Err(ClusterError::NoSuchProcess { process, processes });
        }
        if processes == 1 {
            return Ok(Self { workers, process, hosts: Vec::new() });
        }
        let path = hosts.ok_or(ClusterError::NoHosts(processes))?;
        let text = fs::read_to_string(path).map_err(|e| ClusterError::Hosts(path.to_owned(), e))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let hosts: Vec<_> = lines.take(processes).map(str::to_owned).collect();
        if hosts.len() < processes {
            let (path, found) = (path.to_owned(), hosts.len());
            return Err(ClusterError::TooFew { path, found, processes });
        }
        Ok(Self { workers, process, hosts })
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        self.hosts.len().max(1)
    }

    /// The same for timely.
    fn config(&self) -> Config {
        let communication = match (self.hosts.len(), self.workers) {
            (0, 1) => CommunicationConfig::Thread,
            (0, workers) => CommunicationConfig::Process(workers),
            _ => CommunicationConfig::Cluster {
                threads: self.workers,
                process: self.process,
                addresses: self.hosts.clone(),
                report: false,
                zerocopy: false,
            },
        };
        Config { communication, worker: WorkerConfig::default() }
    }
}

/// How long the processes of a cluster wait for each other at the start.
const FORMING_SECONDS_MAX: u64 = 60;

/// Starts `work` on all workers of this process, once all processes have found each other.
///
/// # Errors
/// Workers that cannot be started, processes that do not come in time.
pub(super) fn start<T: Send + 'static>(
    cluster: &Cluster,
    work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
) -> Result<WorkerGuards<T>, ClusterError> {
    end_with_a_lost_worker();
    let config = cluster.config();
    // Timely waits for its peers for ever, so it waits on a thread of its own.
    let (started, formed) = mpsc::channel();
    thread::spawn(move || started.send(timely::execute(config, work)));
    match formed.recv_timeout(Duration::from_secs(FORMING_SECONDS_MAX)) {
        Ok(guards) => guards.map_err(ClusterError::Start),
        Err(_) => Err(ClusterError::Incomplete(FORMING_SECONDS_MAX)),
    }
}

/// Ends the process, with status 2, when one of timely's threads panics.
///
/// Timely is fail-stop: the other workers would wait for the lost one for ever. A peer process that
/// is lost shows as a panic of the thread that reads from it.
fn end_with_a_lost_worker() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            previous(panic);
            let current = thread::current();
            if current.name().is_some_and(|name| name.starts_with("timely:")) {
                eprintln!("velodrome: a worker or a process of the cluster was lost; run it again");
                process::exit(2);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_a_host_for_each_process() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "127.0.0.1:1\n\n 127.0.0.1:2 \n").unwrap();
        let hosts = Some(file.path());
        let two = Cluster::new(3, 1, 2, hosts).unwrap();
        assert_eq!(two.hosts, ["127.0.0.1:1", "127.0.0.1:2"]);
        for (process, processes, hosts, part) in
            [(0, 3, hosts, "2 hosts"), (2, 2, hosts, "-p 2"), (0, 2, None, "--hosts")]
        {
            let error = Cluster::new(1, process, processes, hosts).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
