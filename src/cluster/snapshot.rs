//! What a node knows of its cluster at a moment.

use std::time::Instant;

use metrics::histogram;

use super::config::ClusterConfig;
use super::view::{NodeView, missing_text};

/// The state of a node, and what it knows of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether a generation runs.
    pub state: State,
    /// The newest generation that this node was part of since its start, if any.
    pub generation: Option<u64>,
    /// The nodes, in their order.
    pub nodes: Vec<NodeView>,
    /// Whether the node was ever part of a generation.
    pub has_joined: bool,
    /// When the present generation began to form.
    pub(super) forms_since: Option<Instant>,
    /// Whether readers have results, because a generation answered reads since the start of the node.
    pub(super) has_results: bool,
    /// Why the newest generation ended, until one answers reads.
    pub(super) last_end: Option<String>,
    /// Why the coordinator was not reached the last time, until one answers reads.
    pub(super) last_disconnection: Option<String>,
}

/// Whether a generation runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No generation runs, for this reason.
    Waits(String),
    /// This generation loads its checkpoints and replays its logs.
    Forms(u64),
    /// This generation answers reads.
    Lives(u64),
}

impl Snapshot {
    /// What a node of a cluster of `nodes` knows at its start.
    pub(super) fn new(nodes: usize, reason: &str) -> Self {
        Self {
            state: State::Waits(reason.to_owned()),
            generation: None,
            has_joined: false,
            nodes: vec![NodeView::default(); nodes],
            forms_since: None,
            has_results: false,
            last_end: None,
            last_disconnection: None,
        }
    }

    /// Why results are not updated; `None` while a generation answers reads.
    pub(super) fn stale(&self, config: &ClusterConfig) -> Option<String> {
        match &self.state {
            State::Lives(_) => None,
            State::Forms(generation) => Some(format!("generation {generation} catches up")),
            State::Waits(reason) => {
                let missing = missing_text(&config.nodes, &self.nodes);
                Some(missing.unwrap_or_else(|| reason.clone()))
            }
        }
    }

    /// Changes the state, and records how long a generation took until it answered reads.
    pub(super) fn set(&mut self, state: State) {
        match state {
            State::Waits(_) => self.forms_since = None,
            State::Forms(generation) => {
                (self.forms_since, self.generation) = (Some(Instant::now()), Some(generation));
            }
            State::Lives(generation) => {
                (self.generation, self.has_results) = (Some(generation), true);
                (self.last_end, self.last_disconnection) = (None, None);
                if let Some(since) = self.forms_since.take() {
                    let seconds = since.elapsed().as_secs_f64();
                    histogram!("velodrome_cluster_form_seconds").record(seconds);
                }
            }
        }
        self.state = state;
    }
}
