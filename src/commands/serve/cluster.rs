//! Arguments of a node of a cluster.

use std::path::PathBuf;

use crate::cluster::{ClusterConfig, ClusterError, NodeId};
use crate::commands::parse;

/// The cluster that the service is a node of.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// Cluster file, which makes the service a node of a cluster
    ///
    /// 'velodrome cluster init' creates it. The certificates of the node are in the same directory. The cluster file
    /// says how many worker threads each node has.
    #[arg(long, env = "VELODROME_CLUSTER", value_name = "FILE", requires = "node")]
    cluster: Option<PathBuf>,
    /// Number of this node in the cluster file
    #[arg(long, env = "VELODROME_NODE", value_name = "N", requires = "cluster",
        value_parser = parse::whole_number(0, NodeId::MAX))]
    node: Option<NodeId>,
}

impl ClusterArgs {
    /// The cluster, if a file is given.
    pub(super) fn load(&self) -> Result<Option<ClusterConfig>, ClusterError> {
        // clap requires both or neither.
        let (Some(path), Some(id)) = (&self.cluster, self.node) else { return Ok(None) };
        ClusterConfig::load(path, id).map(Some)
    }
}
