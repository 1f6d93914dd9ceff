//! The layout of the cluster under which a node's checkpoint was made: a file of the data directory.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic_file::{remove_if_exists, replace_file};
use crate::cluster::{ClusterConfig, NodeId};
use crate::disk::{self, File};

/// The name of the file.
pub const LAYOUT: &str = "layout.json";

/// What decides which worker of which node has which state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    nodes: Vec<NodeId>,
    /// The number of workers of each node.
    workers: usize,
}

impl Layout {
    /// The layout of a cluster.
    pub(super) fn of(cluster: &ClusterConfig) -> Self {
        let nodes = cluster.nodes.iter().map(|node| node.id).collect();
        Self { nodes, workers: cluster.workers }
    }

    /// The layout in the data directory `data`. `None` without a file: the directory is not that of a node.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub(super) fn load(data: &Path) -> io::Result<Option<Self>> {
        match fs::read(data.join(LAYOUT)) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the layout from `data`, durably.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(super) fn remove(data: &Path) -> io::Result<()> {
        remove_if_exists(&data.join(LAYOUT))?;
        disk::sync_dir(data)
    }

    /// Writes the layout to `data`, durably.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&self, data: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        replace_file(data, LAYOUT, |mut out: &File| out.write_all(&text)).map(drop)
    }
}
