//! The state of a node in its cluster, for `/readyz`, `/v1/cluster` and the readers of stale data.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::{gauge, histogram};
use tokio::sync::watch;

use super::config::ClusterConfig;
use super::view::{NodeView, Report, lose_coordinator, missing_text};
use crate::health::Component;

/// The state of a node in its cluster. Clones share it.
#[derive(Clone, Debug)]
pub struct Status {
    config: Arc<ClusterConfig>,
    snapshot: Arc<Mutex<Snapshot>>,
    stale: watch::Sender<Stale>,
    component: Component,
}

/// Why results are not updated; `None` while a generation answers reads.
pub type Stale = Option<Arc<str>>;

/// The state of a node, and what it knows of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether a generation runs.
    pub state: State,
    /// The newest generation that this node was part of since its start, if any.
    pub generation: Option<u64>,
    /// The nodes, in their order.
    pub nodes: Vec<NodeView>,
    /// When the present generation began to form.
    forms_since: Option<Instant>,
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

impl Status {
    /// The status of a node of `config` that has not connected yet; `component` reports it.
    pub fn new(component: Component, config: &ClusterConfig) -> Self {
        let snapshot = Snapshot {
            state: State::Waits("the node starts".to_owned()),
            generation: None,
            nodes: vec![NodeView::default(); config.nodes.len()],
            forms_since: None,
        };
        let stale = watch::Sender::new(snapshot.stale(config).map(Into::into));
        let (config, snapshot) = (Arc::new(config.clone()), Arc::new(Mutex::new(snapshot)));
        Self { config, snapshot, stale, component }
    }

    /// The cluster.
    pub fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// The present state, with what this node knows of the others.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Why results are not updated; `None` while a generation answers reads.
    pub fn stale(&self) -> Stale {
        self.stale.borrow().clone()
    }

    /// The same, and its changes from now on.
    pub fn watch_stale(&self) -> watch::Receiver<Stale> {
        self.stale.subscribe()
    }

    /// No generation runs on this node, for this reason.
    pub(super) fn waits(&self, reason: &str) {
        self.component.warn(format_args!("results are not updated: {reason}"));
        self.set(State::Waits(reason.to_owned()));
    }

    /// A generation forms.
    pub(super) fn forms(&self, generation: u64) {
        let text = format_args!("results are not updated: generation {generation} catches up");
        self.component.warn(text);
        self.set(State::Forms(generation));
    }

    /// A generation answers reads on this node.
    pub fn lives(&self, generation: u64) {
        self.component.set_ok();
        self.set(State::Lives(generation));
    }

    /// The coordinator has sent what it knows of all nodes.
    pub(super) fn view(&self, nodes: Vec<NodeView>) {
        if nodes.len() == self.config.nodes.len() {
            self.change(|snapshot| snapshot.nodes = nodes);
        }
    }

    /// This node is not connected to the coordinator, for this reason, so no generation runs.
    pub(super) fn disconnected(&self, reason: &str) {
        self.change(|snapshot| lose_coordinator(&mut snapshot.nodes));
        self.waits(reason);
    }

    /// This node has made a report. The coordinator may be unreachable, so it is entered here too.
    pub(super) fn reported(&self, report: Report) {
        self.change(|snapshot| {
            if let Some(node) = snapshot.nodes.get_mut(self.config.index) {
                node.report = Some(report);
            }
        });
    }

    fn set(&self, state: State) {
        gauge!("velodrome_cluster_live").set(f64::from(matches!(state, State::Lives(_))));
        if let State::Forms(generation) | State::Lives(generation) = state {
            gauge!("velodrome_cluster_generation").set(generation as f64);
        }
        self.change(|snapshot| snapshot.set(state));
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = self.lock();
        change(&mut snapshot);
        let stale = snapshot.stale(&self.config);
        // Within the lock, so that the last change is the one that watchers see.
        self.stale.send_if_modified(|known| {
            let is_other = known.as_deref() != stale.as_deref();
            *known = stale.map(Into::into);
            is_other
        });
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    fn stale(&self, config: &ClusterConfig) -> Option<String> {
        match &self.state {
            State::Lives(_) => None,
            State::Forms(generation) => Some(format!("generation {generation} catches up")),
            State::Waits(reason) => {
                let missing = missing_text(&config.nodes, &self.nodes);
                Some(missing.unwrap_or_else(|| reason.clone()))
            }
        }
    }

    fn set(&mut self, state: State) {
        match state {
            State::Waits(_) => self.forms_since = None,
            State::Forms(generation) => {
                (self.forms_since, self.generation) = (Some(Instant::now()), Some(generation));
            }
            State::Lives(generation) => {
                self.generation = Some(generation);
                if let Some(since) = self.forms_since.take() {
                    let seconds = since.elapsed().as_secs_f64();
                    histogram!("velodrome_cluster_form_seconds").record(seconds);
                }
            }
        }
        self.state = state;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::num::NonZeroUsize;

    use super::super::init::tests::on_loopback;
    use super::super::init::{CLUSTER_FILE, create};
    use super::*;
    use crate::health::Health;

    /// The status of node 1 of three.
    pub(crate) fn status(health: &Health) -> Status {
        let directory = tempfile::tempdir().unwrap();
        create(directory.path(), &on_loopback(3), NonZeroUsize::MIN).unwrap();
        let config = ClusterConfig::load(&directory.path().join(CLUSTER_FILE), 1).unwrap();
        Status::new(health.component("cluster"), &config)
    }

    pub(crate) fn disconnect(status: &Status) {
        status.disconnected("node 0 is lost: its connection was closed");
    }

    fn nodes(connected: [bool; 3]) -> Vec<NodeView> {
        let node = |is_connected| NodeView { is_connected: Some(is_connected), report: None };
        connected.map(node).to_vec()
    }

    #[test]
    fn results_are_stale_until_a_generation_lives_and_again_after_it() {
        let health = Health::default();
        let status = status(&health);
        assert_eq!(status.stale().as_deref(), Some("the node starts"));
        status.view(nodes([true, true, false]));
        status.waits("waits for the other nodes");
        assert_eq!(status.stale().as_deref(), Some("the cluster waits for node 2"));
        assert_eq!(health.notes(), ["cluster: results are not updated: waits for the other nodes"]);
        status.view(nodes([true; 3]));
        status.forms(4);
        assert_eq!(status.stale().as_deref(), Some("generation 4 catches up"));
        status.lives(4);
        assert_eq!((status.stale(), health.notes().len()), (None, 0));
        disconnect(&status);
        assert_eq!(status.stale().as_deref(), Some("the cluster waits for node 0"));
        assert_eq!(status.snapshot().generation, Some(4));
    }

    #[test]
    fn a_change_of_the_reason_is_seen_and_a_report_is_none() {
        let status = status(&Health::default());
        let mut stale = status.watch_stale();
        let report = Report { clock_ms: 7, lag_ms: 1, checkpoint: Some(5), shards: Vec::new() };
        status.reported(report.clone());
        assert_eq!(status.snapshot().nodes[1].report, Some(report));
        status.waits("the node starts");
        assert!(!stale.has_changed().unwrap());
        status.lives(1);
        assert!(stale.has_changed().unwrap());
        assert_eq!(*stale.borrow_and_update(), None);
    }
}
