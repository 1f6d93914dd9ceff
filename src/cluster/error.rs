//! Why a node cannot be part of a cluster.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::node_id::NodeId;
use crate::io_reason::IoReason;
use crate::mesh::IdentityError;

/// Why a node cannot be part of a cluster.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The cluster file cannot be read.
    #[error("cannot read the cluster file '{path}': {}", IoReason(.reason))]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The cluster file is not valid.
    #[error(
        "the cluster file '{path}' is not valid: {reason}; create one with 'velodrome cluster init'"
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The cluster file cannot have a node.
    #[error("the node cannot be added to '{path}': {reason}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The cluster file does not list this node.
    #[error("the cluster file '{path}' has no node {id}; add it, or give another --node")]
    NoSuchNode {
        /// The file.
        path: PathBuf,
        /// The id.
        id: NodeId,
    },
    /// A cluster outside loopback has no certificates.
    #[error(
        "the address '{address}' is not loopback, so nodes need certificates: put ca.pem and the node's \
         certificate and key next to the cluster file; 'velodrome cluster init' creates them"
    )]
    NoCertificates {
        /// The address.
        address: String,
    },
    /// The files of a cluster cannot be created.
    #[error("cannot create the files of a cluster in '{directory}': {}", IoReason(.reason))]
    Create {
        /// The directory.
        directory: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The cluster address cannot be used.
    #[error("cannot listen on the cluster address '{address}': {}", IoReason(.reason))]
    Listen {
        /// The address.
        address: String,
        /// The reason.
        reason: io::Error,
    },
    /// A file of the data directory cannot be used.
    #[error("cannot use '{path}': {}", IoReason(.reason))]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A certificate cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}
