//! The state of a node in its cluster, for `/readyz`, `/v1/cluster` and the readers of stale data.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::watch;

use super::config::ClusterConfig;
use super::snapshot::{Snapshot, State};
use super::view::{NodeView, Report, lose_coordinator};
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

impl Status {
    /// The status of a node of `config` that has not connected yet; `component` reports it.
    pub fn new(component: Component, config: &ClusterConfig) -> Self {
        let reason = "the node starts";
        let snapshot = Snapshot::new(config.nodes.len(), reason);
        let stale = watch::Sender::new(snapshot.stale(config).map(Into::into));
        let (config, snapshot) = (Arc::new(config.clone()), Arc::new(Mutex::new(snapshot)));
        let status = Self { config, snapshot, stale, component };
        status.waits(reason);
        status
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

    /// How long the results of this node have not been updated, by its last report. `None` while a generation answers
    /// reads.
    pub fn stale_for(&self) -> Option<Duration> {
        let snapshot = self.lock();
        let report = snapshot.nodes.get(self.config.index)?.report.as_ref();
        let lag_ms = report.map_or(0, |report| report.lag_ms);
        (!matches!(snapshot.state, State::Lives(_))).then(|| Duration::from_millis(lag_ms))
    }

    /// The node is, or was, part of a generation.
    pub(super) fn joined(&self) {
        self.lock().has_joined = true;
    }

    /// Why the node may not accept events yet: it was part of no generation. Its data directory may be that of a lost
    /// disk, and its archive not the one that it had. Then what it accepts would be a second beginning of its log.
    pub fn is_outside(&self) -> Option<String> {
        let snapshot = self.lock();
        let stale = snapshot.stale(&self.config).filter(|_| !snapshot.has_joined)?;
        Some(format!("the data directory is new, so the node first joins the cluster: {stale}"))
    }

    /// No generation runs on this node, for this reason.
    pub(super) fn waits(&self, reason: &str) {
        self.warn(reason);
        self.set(State::Waits(reason.to_owned()));
    }

    /// A generation has ended on this node, for this reason.
    pub(super) fn ended(&self, reason: &str) {
        self.lock().last_end = Some(reason.to_owned());
        self.waits(reason);
    }

    /// A generation forms. The note also names why the previous one ended, because a lasting cause ends each of them soon.
    pub(super) fn forms(&self, generation: u64) {
        let last_end = self.lock().last_end.clone();
        let ended = last_end.map(|reason| format!("; the previous one ended: {reason}"));
        self.warn(&format!("generation {generation} catches up{}", ended.unwrap_or_default()));
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
        self.change(|snapshot| {
            lose_coordinator(&mut snapshot.nodes);
            // The node tries again and again, so only another reason is logged.
            if snapshot.last_disconnection.as_deref() != Some(reason) {
                tracing::warn!("{reason}");
                snapshot.last_disconnection = Some(reason.to_owned());
            }
        });
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

    fn warn(&self, reason: &str) {
        let effect = match self.lock().has_results {
            true => "results are not updated",
            false => "reads get 503",
        };
        self.component.warn(format_args!("{effect}: {reason}"));
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
