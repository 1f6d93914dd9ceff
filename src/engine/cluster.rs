//! The timely workers of a run: threads of this process, and of other processes of the same cluster.

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

/// The size of a cluster and the addresses of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Worker threads of each process, at least 1.
    pub workers: usize,
    /// The index of this process, from 0.
    pub process: usize,
    /// The address of each process as host:port; empty for a single process.
    pub hosts: Vec<String>,
}

/// Why a cluster cannot start.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The host file cannot be read.
    #[error("cannot read the host file '{0}': {1}")]
    Hosts(PathBuf, std::io::Error),
    /// The host file lists fewer hosts than there are processes.
    #[error("'{path}' lists {found} hosts for {processes} processes; write one host:port per line")]
    TooFew {
        /// The file.
        path: PathBuf,
        /// Hosts in the file.
        found: usize,
        /// Processes of the cluster.
        processes: usize,
    },
    /// There are several processes, but no host file.
    #[error("-n {0} needs --hosts FILE with one host:port per line")]
    NoHosts(usize),
    /// The index of this process is outside the cluster.
    #[error(
        "-p {process} is outside -n {processes} processes; give a number from 0 to {}",
        .processes - 1
    )]
    NoSuchProcess {
        /// The index given.
        process: usize,
        /// Processes of the cluster.
        processes: usize,
    },
    /// Timely cannot start the workers.
    #[error("cannot start the workers: {0}")]
    Start(String),
    /// A process of the cluster did not connect in time.
    #[error("not all processes connected within {0} s; start one process for each line of --hosts")]
    Incomplete(u64),
}

impl Cluster {
    /// The cluster of `processes` processes at the addresses in the file `hosts`; this is process
    /// `process`.
    ///
    /// # Errors
    /// When `process` is outside the cluster, and when the host file is missing, unreadable or too
    /// short.
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

    /// The number of processes.
    pub fn processes(&self) -> usize {
        self.hosts.len().max(1)
    }

    /// The cluster as a configuration for timely.
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

/// How long a process waits at startup for the others to connect.
const CONNECT_SECONDS_MAX: u64 = 60;

/// Runs `work` on all workers of this process after all processes have connected.
///
/// # Errors
/// [`ClusterError::Start`] and [`ClusterError::Incomplete`].
pub(super) fn start<T: Send + 'static>(
    cluster: &Cluster,
    work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
) -> Result<WorkerGuards<T>, ClusterError> {
    exit_when_a_worker_panics();
    let config = cluster.config();
    // Timely waits for its peers without a timeout, so it starts on a separate thread.
    let (sender, started) = mpsc::channel();
    thread::spawn(move || sender.send(timely::execute(config, work)));
    match started.recv_timeout(Duration::from_secs(CONNECT_SECONDS_MAX)) {
        Ok(guards) => guards.map_err(ClusterError::Start),
        Err(_) => Err(ClusterError::Incomplete(CONNECT_SECONDS_MAX)),
    }
}

/// Installs a panic hook that exits with status 2 when one of timely's threads panics.
///
/// Without it the remaining workers would wait for the lost worker forever. When a peer process dies,
/// the thread that reads from its socket panics.
fn exit_when_a_worker_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            previous(panic);
            let current = thread::current();
            if current.name().is_some_and(|name| name.starts_with("timely:")) {
                eprintln!(
                    "velodrome: a worker or another process of the cluster was lost; run the command \
                     again"
                );
                process::exit(2);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_process_or_host_file_that_does_not_fit_the_cluster() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "127.0.0.1:1\n\n 127.0.0.1:2 \n").unwrap();
        let hosts = Some(file.path());
        let two = Cluster::new(3, 1, 2, hosts).unwrap();
        assert_eq!(two.hosts, ["127.0.0.1:1", "127.0.0.1:2"]);
        for (process, processes, hosts, part) in
            [(0, 3, hosts, "lists 2 hosts"), (2, 2, hosts, "-p 2"), (0, 2, None, "--hosts")]
        {
            let error = Cluster::new(1, process, processes, hosts).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
