//! Why a cluster cannot form or ends early.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::mesh::IdentityError;

/// Why a cluster cannot form, or why its run ended early.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The host file cannot be read.
    #[error("cannot read the host file '{0}': {1}")]
    Hosts(PathBuf, io::Error),
    /// A line of the host file is not an address.
    #[error(
        "line {line} of '{path}' is '{text}', which is no address; write host:port with a port from 1 \
         to 65535, such as 127.0.0.1:2101"
    )]
    Address {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The text of the line.
        text: String,
    },
    /// The host of an address is unknown.
    #[error(
        "cannot find the host of '{text}' in line {line} of '{path}': {error}; correct the name"
    )]
    Resolve {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The text of the line.
        text: String,
        /// Why the lookup failed.
        error: io::Error,
    },
    /// Two processes have the same address.
    #[error("'{0}' gives '{1}' and '{2}' the same address; give each process its own")]
    Repeated(PathBuf, String, String),
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
    /// A process is at an address that other machines can reach, but there are no certificates.
    #[error(
        "the host '{0}' is not loopback, so processes need certificates: give --certs DIR with ca.pem, and \
         with node-P.pem and node-P-key.pem of process P; 'velodrome cluster init' creates them"
    )]
    NoCertificates(String),
    /// The certificate of this process cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// This process cannot listen on its address.
    #[error(
        "cannot listen on '{0}': {1}; {remedy}",
        remedy = if .1.kind() == io::ErrorKind::AddrInUse {
            "is another process running with the same -p?"
        } else {
            "check the address of this process in the host file"
        }
    )]
    Listen(String, io::Error),
    /// Processes did not connect in time.
    #[error("not all processes connected within {seconds} s; missing: {missing}")]
    Missing {
        /// The time limit.
        seconds: u64,
        /// The processes that did not connect, with their addresses.
        missing: String,
    },
    /// A process cannot be reached.
    #[error("cannot connect to {process} within {seconds} s: {reason}")]
    Unreachable {
        /// The process and its address.
        process: String,
        /// The time limit.
        seconds: u64,
        /// What the last attempt resulted in.
        reason: String,
    },
    /// A process of the cluster refuses this one.
    #[error("{process} refuses this process: {reason}")]
    Refused {
        /// The process that refuses, with its address.
        process: String,
        /// Its reason.
        reason: String,
    },
    /// A process was started with other arguments, or is another build.
    #[error(
        "{process} differs from process 0 in {what}: {theirs} instead of {ours}; start all processes \
         with the same build and the same arguments, except for -p"
    )]
    Different {
        /// The process and its address.
        process: String,
        /// What differs.
        what: String,
        /// Its value in that process.
        theirs: String,
        /// Its value in process 0.
        ours: String,
    },
    /// A process was lost.
    #[error("{process} was lost: {reason}; run the command again on all processes")]
    Lost {
        /// The process and its address.
        process: String,
        /// How its loss was noticed.
        reason: String,
    },
    /// The workers of this process ended without results.
    #[error("{0}; run the command again on all processes")]
    Broken(String),
    /// Another process failed.
    #[error("{process} failed: {reason}")]
    Failed {
        /// The process and its address.
        process: String,
        /// Its error.
        reason: String,
    },
    /// Process 0 ended the run.
    #[error("{process} ended the run: {reason}")]
    Ended {
        /// Process 0 and its address.
        process: String,
        /// Its error.
        reason: String,
    },
    /// The workers cannot be started.
    #[error("cannot start the workers: {0}")]
    Start(String),
}
