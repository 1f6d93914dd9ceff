//! The size of a cluster and the addresses of its processes.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use super::error::ClusterError;
use crate::mesh::Identity;

/// The size of a cluster and the addresses of its processes.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Worker threads of each process, at least 1.
    pub workers: usize,
    /// The index of this process, from 0.
    pub process: usize,
    /// How long the processes wait for each other at the start.
    pub wait: Duration,
    /// The processes in order; empty for a single process.
    pub(super) hosts: Vec<Host>,
    /// What authenticates this process; `None` without certificates, on loopback.
    pub(super) identity: Option<Identity>,
}

/// The address of a process.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// The address as given.
    pub(super) name: String,
    /// What the name resolves to, at least one address.
    pub(super) addresses: Vec<SocketAddr>,
}

impl Cluster {
    /// The cluster of `processes` processes at the addresses in the file `hosts`, with certificates in the
    /// directory `certs`; this is process `process`.
    ///
    /// # Errors
    /// When `process` is outside the cluster, when the host file is missing, unreadable or too short, and
    /// when one of its addresses is invalid, unknown or repeated; when a certificate cannot be used; when
    /// there are no certificates and an address is not loopback.
    pub fn new(
        workers: usize,
        process: usize,
        processes: usize,
        hosts: Option<&Path>,
        certs: Option<&Path>,
        wait: Duration,
    ) -> Result<Self, ClusterError> {
        if process >= processes {
            return Err(ClusterError::NoSuchProcess { process, processes });
        }
        if processes == 1 {
            return Ok(Self { workers, process, wait, hosts: Vec::new(), identity: None });
        }
        let path = hosts.ok_or(ClusterError::NoHosts(processes))?;
        let hosts = read(path, processes)?;
        if hosts.len() < processes {
            let (path, found) = (path.to_owned(), hosts.len());
            return Err(ClusterError::TooFew { path, found, processes });
        }
        let identity = certs.map(|certs| Identity::load_from(certs, process)).transpose()?;
        let is_loopback = |host: &&Host| host.addresses.iter().all(|at| at.ip().is_loopback());
        match hosts.iter().find(|host| !is_loopback(host)) {
            Some(host) if identity.is_none() => {
                Err(ClusterError::NoCertificates(host.name.clone()))
            }
            _ => Ok(Self { workers, process, wait, hosts, identity }),
        }
    }

    /// The number of processes.
    pub fn processes(&self) -> usize {
        self.hosts.len().max(1)
    }

    /// The name of a process in messages, with its address.
    pub(super) fn name(&self, process: usize) -> String {
        match self.hosts.get(process) {
            Some(host) => format!("process {process} at '{}'", host.name),
            None => format!("process {process}"),
        }
    }
}

/// Reads the first `processes` hosts of the file at `path`.
fn read(path: &Path, processes: usize) -> Result<Vec<Host>, ClusterError> {
    let text = fs::read_to_string(path).map_err(|e| ClusterError::Hosts(path.to_owned(), e))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let mut hosts: Vec<Host> = Vec::new();
    for (index, line) in lines.take(processes) {
        let host = parse(path, index + 1, line)?;
        let is_same = |other: &&Host| host.addresses.iter().any(|a| other.addresses.contains(a));
        if let Some(other) = hosts.iter().find(is_same) {
            let names = (other.name.clone(), host.name);
            return Err(ClusterError::Repeated(path.to_owned(), names.0, names.1));
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// The host in line `line` of the file at `path`.
fn parse(path: &Path, line: usize, text: &str) -> Result<Host, ClusterError> {
    let (path, text) = (path.to_owned(), text.to_owned());
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = !host.is_empty() && !host.contains(char::is_whitespace);
        // The colons of an IPv6 address are in brackets.
        is_host
            && (!host.contains(':') || host.starts_with('['))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !is_address {
        return Err(ClusterError::Address { path, line, text });
    }
    match text.to_socket_addrs() {
        Ok(addresses) => Ok(Host { name: text, addresses: addresses.collect() }),
        Err(error) => Err(ClusterError::Resolve { path, line, text, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(text: &str, process: usize, processes: usize) -> Result<Cluster, ClusterError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        Cluster::new(1, process, processes, Some(file.path()), None, Duration::ZERO)
    }

    #[test]
    fn reads_one_host_per_line_and_ignores_blank_and_surplus_lines() {
        let two = cluster("127.0.0.1:1\n\n [::1]:2 \nsurplus", 1, 2).unwrap();
        let names: Vec<_> = two.hosts.iter().map(|host| &host.name[..]).collect();
        assert_eq!((names, two.processes()), (vec!["127.0.0.1:1", "[::1]:2"], 2));
        assert_eq!(two.name(1), "process 1 at '[::1]:2'");
    }

    #[test]
    fn rejects_hosts_that_do_not_fit_the_cluster() {
        for (text, process, processes, part) in [
            ("127.0.0.1:1\n127.0.0.1:2", 0, 3, "lists 2 hosts for 3"),
            ("127.0.0.1:1\n127.0.0.1:2", 2, 2, "-p 2"),
            ("127.0.0.1:1\n\n127.0.0.1", 0, 2, "line 3"),
            ("127.0.0.1:1\n127.0.0.1:0", 0, 2, "'127.0.0.1:0'"),
            ("127.0.0.1:1\n127.0.0.1:65536", 0, 2, "'127.0.0.1:65536'"),
            ("127.0.0.1:1\n127.0.0.1:x", 0, 2, "'127.0.0.1:x'"),
            ("127.0.0.1:1\n:2", 0, 2, "':2'"),
            ("127.0.0.1:1\n::1:2", 0, 2, "'::1:2'"),
            ("127.0.0.1:1 127.0.0.1:3\n127.0.0.1:2", 0, 2, "host:port"),
            ("127.0.0.1:1\nno-such-host.invalid:2", 0, 2, "cannot find the host of 'no-such-host"),
            ("127.0.0.1:1\n127.0.0.1:1", 0, 2, "the same address"),
            ("127.0.0.1:1\n192.0.2.1:2", 0, 2, "'192.0.2.1:2' is not loopback"),
        ] {
            let error = cluster(text, process, processes).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = Cluster::new(1, 0, 2, None, None, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("--hosts"), "{error}");
    }
}
