//! The newest generation that a node was part of: a file of its data directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::ClusterError;
use super::node_id::NodeId;
use super::sequences::{Sequences, raise};
use crate::atomic_file::replace_file;
use crate::disk::File;

/// The name of the file.
pub const GENERATION: &str = "generation.json";

/// The newest generation. It is durable before the node is part of it, so that no earlier one is ever
/// joined again.
#[derive(Debug)]
pub(super) struct GenerationFile {
    data: PathBuf,
    newest: Newest,
}

/// The content of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Newest {
    generation: u64,
    rules_since: u64,
    /// The rules that are active since then, in their canonical form. The checkpoint has them only later.
    #[serde(default)]
    rules: Option<String>,
    /// The newest generation of each node that answered reads; only the coordinator knows them.
    #[serde(default)]
    lived: BTreeMap<NodeId, u64>,
    /// What is known to be archived of each log.
    #[serde(default)]
    archived: Sequences,
}

impl GenerationFile {
    /// Reads the file in the data directory `data`. Without a file, there was no generation.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub(super) fn open(data: PathBuf) -> Result<Self, ClusterError> {
        let path = data.join(GENERATION);
        let newest = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(std::io::Error::from),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Newest::default()),
            Err(error) => Err(error),
        };
        let newest = newest.map_err(|reason| ClusterError::File { path, reason })?;
        Ok(Self { data, newest })
    }

    /// The number of the newest generation; 0 if there was none.
    pub(super) fn number(&self) -> u64 {
        self.newest.generation
    }

    /// The generation from which on the rules of the node are active; 0 for those of its first start.
    pub(super) fn rules_since(&self) -> u64 {
        self.newest.rules_since
    }

    /// The rules that are active since that generation; `None` for those of its first start.
    pub(super) fn rules(&self) -> Option<&str> {
        self.newest.rules.as_deref()
    }

    /// The newest generation with this node that answered reads, as the coordinator knows it; 0 if there was none.
    pub(super) fn lived(&self, node: NodeId) -> u64 {
        self.newest.lived.get(&node).copied().unwrap_or_default()
    }

    /// Records, durably, that a generation of these nodes answers reads.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn set_lived(
        &mut self,
        nodes: impl Iterator<Item = NodeId>,
        generation: u64,
    ) -> Result<(), ClusterError> {
        let mut newest = self.newest.clone();
        newest.lived.extend(nodes.map(|node| (node, generation)));
        self.replace(newest)
    }

    /// What is known to be archived of each log.
    pub(super) fn archived(&self) -> &Sequences {
        &self.newest.archived
    }

    /// Records, durably, what else was archived.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn raise_archived(&mut self, others: &Sequences) -> Result<(), ClusterError> {
        let mut newest = self.newest.clone();
        if raise(&mut newest.archived, others) { self.replace(newest) } else { Ok(()) }
    }

    /// Replaces the number of the newest generation, and what is known to be archived, durably.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn set_number(
        &mut self,
        generation: u64,
        archived: Sequences,
    ) -> Result<(), ClusterError> {
        self.replace(Newest { generation, archived, ..self.newest.clone() })
    }

    /// Replaces the rules, and the generation from which on they are active, durably.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn set_rules(&mut self, rules: &str, since: u64) -> Result<(), ClusterError> {
        let rules = Some(rules.to_owned());
        self.replace(Newest { rules_since: since, rules, ..self.newest.clone() })
    }

    fn replace(&mut self, newest: Newest) -> Result<(), ClusterError> {
        let text = serde_json::to_vec(&newest).unwrap_or_default();
        let write = |mut out: &File| out.write_all(&text);
        let written = replace_file(&self.data, GENERATION, write);
        written
            .map_err(|reason| ClusterError::File { path: self.data.join(GENERATION), reason })?;
        self.newest = newest;
        Ok(())
    }
}
