//! The stream that is read: until the service stops, or by a node of a cluster in each generation.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cluster::{Announcements, ClusterConfig};
use crate::health::Component;
use crate::kinesis::{Deal, NodeSource, Sinks, Source};
use crate::log::LogFiles;

/// The stream that is read.
pub(super) enum RunningSource {
    /// Its reader, which ends when the service stops.
    Alone(JoinHandle<()>),
    /// The part that this node of a cluster reads.
    OfNode(Arc<NodeSource>),
}

impl RunningSource {
    /// Starts to read the stream of a single process, until `stopped` is true.
    pub(super) fn start(
        source: Source,
        sinks: Sinks,
        component: Component,
        stopped: watch::Receiver<bool>,
        runtime: &Runtime,
    ) -> Self {
        Self::Alone(runtime.spawn(source.run(sinks, component, stopped)))
    }

    /// The stream of a node, which is read when a generation answers reads. `files` are those of the node's log.
    pub(super) fn prepare(
        source: Source,
        cluster: &ClusterConfig,
        sinks: Sinks,
        component: Component,
        files: LogFiles,
        announcements: Announcements,
        runtime: &Runtime,
    ) -> Self {
        let (deal, runtime) =
            (Deal::of_node(cluster.index, cluster.nodes.len()), runtime.handle().clone());
        let announce = move |report| announcements.shards(report);
        let source = NodeSource::new(source, deal, sinks, component, files, runtime, announce);
        Self::OfNode(source)
    }

    /// The part that this node reads, if the service is a node.
    pub(super) fn of_node(&self) -> Option<Arc<NodeSource>> {
        match self {
            Self::Alone(_) => None,
            Self::OfNode(source) => Some(Arc::clone(source)),
        }
    }

    /// Waits until nothing is read any more. The positions are saved then.
    pub(super) fn stop(&mut self, runtime: &Runtime) {
        match self {
            Self::Alone(reader) => runtime.block_on(reader).unwrap_or_default(),
            Self::OfNode(source) => source.close(),
        }
    }

    /// The log is closed.
    pub(super) fn log_closed(&self) {
        if let Self::OfNode(source) = self {
            source.announce_archived();
        }
    }
}
