//! Why a node cannot authenticate, connect, or run its workers.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Files that cannot authenticate this node. Messages never contain parts of the key.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file cannot be read, or does not contain the item.
    #[error("cannot read {what} from '{path}': {reason}; give a PEM file that contains it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the file must contain.
        what: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// The CA's file contains something that is not a CA certificate.
    #[error("cannot trust the CA in '{path}': {reason}; give the certificate of the cluster's CA")]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// The other nodes would refuse the certificate.
    #[error("the certificate '{path}' does not authenticate node {node}: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// This node.
        node: usize,
        /// Why the other nodes would refuse it, and the remedy.
        reason: String,
    },
    /// The key does not belong to the certificate, or is of an unsupported kind.
    #[error(
        "cannot use the key '{key}' with the certificate '{cert}': {reason}; give the key that the \
         certificate was issued for"
    )]
    Key {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        cert: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
}

/// A connection that could not be established, or whose peer is not the node that it claims to be.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// No address of the node accepts connections.
    #[error("cannot connect to {address}: {error}")]
    Unreachable {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why it cannot be reached.
        error: io::Error,
    },
    /// The node has no address.
    #[error("node {0} has no address; list one in the cluster file")]
    NoAddress(usize),
    /// The socket cannot be configured.
    #[error("cannot configure the connection: {0}")]
    Socket(#[from] io::Error),
    /// One side refused the other, or they do not both speak TLS.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// The peer did not complete the handshake in time.
    #[error("the TLS handshake was not complete at its deadline")]
    Late,
    /// The peer's certificate is not that of the node.
    #[error("the peer claims to be node {node}, but its certificate is refused: {reason}")]
    WrongNode {
        /// The node that the peer claims to be.
        node: usize,
        /// Why the certificate is not that of the node.
        reason: String,
    },
}

/// Workers that could not be started.
#[derive(Debug, Error)]
pub enum MeshError {
    /// There must be one connection to each other node, and none to this one.
    #[error("node {0} needs one connection to each other node, and none to itself")]
    Links(usize),
    /// A connection cannot be prepared, or a thread cannot be started.
    #[error("cannot start the workers: {0}")]
    Start(String),
}

/// Workers that did not end in time. The process must exit, and its supervisor restarts it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the workers did not end within {seconds} s; the process must be restarted")]
pub struct Stuck {
    /// How long the workers had, in seconds.
    pub seconds: u64,
}
