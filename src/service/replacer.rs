//! What replaces the engine of a service: the rebuilder of a single process, or the generations of a cluster.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::cluster_node::ClusterNode;
use super::error::ServiceError;
use super::mutex::lock;
use super::node_links::NodeLinks;
use super::node_logs::NodeLogs;
use super::rebuild_context::RebuildContext;
use super::rebuilder;
use super::rule_switcher;
use crate::cluster::{ClusterConfig, RunningNode, Status};
use crate::lazy_aws::LazyAws;
use crate::log::Clock;
use crate::store::Location;

/// What replaces the engine.
pub(super) enum Replacer {
    /// The rebuilder of a single process.
    Rebuilder(JoinHandle<()>),
    /// The node of a cluster.
    Node(RunningNode),
}

/// What a node has in addition to a single process.
pub(super) struct NodeParts {
    pub(super) cluster: ClusterConfig,
    /// The archive in which each node has a folder, if there is one.
    pub(super) archives: Option<Location>,
    /// The URL of an AWS-compatible server to use instead of AWS.
    pub(super) endpoint: Option<String>,
    pub(super) clock: Clock,
    pub(super) status: Status,
    pub(super) links: NodeLinks,
}

impl Replacer {
    /// Starts to execute requests for new rules, and to take part in the cluster of the `node`, if it is one.
    ///
    /// # Errors
    /// When a thread cannot be started, and when the cluster address cannot be used.
    pub(super) fn start(
        context: RebuildContext,
        node: Option<NodeParts>,
    ) -> Result<Self, ServiceError> {
        match node {
            None => Ok(Self::Rebuilder(start_rebuilder(context)?)),
            Some(node) => start_node(context, node).map(Self::Node),
        }
    }

    /// Stops after all requests have been cancelled.
    pub(super) fn stop(self) {
        match self {
            // A rebuild can hang in a call to a store. Do not wait for it then: its thread ends with the
            // process.
            Self::Rebuilder(rebuilder) if rebuilder.is_finished() => {
                rebuilder.join().unwrap_or_default();
            }
            Self::Rebuilder(_) => {}
            Self::Node(node) => node.stop(),
        }
    }
}

pub(super) fn start_rebuilder(context: RebuildContext) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("rebuilder".to_owned());
    thread.spawn(move || rebuilder::run(&context))
}

fn start_node(context: RebuildContext, node: NodeParts) -> Result<RunningNode, ServiceError> {
    let NodeParts { cluster, archives, endpoint, clock, status, links } = node;
    let NodeLinks { announcements, source } = links;
    let RebuildContext { rebuilds, running, saver, log, bans, data, .. } = context;
    let frozen = lock(&running).freeze();
    let lazy_aws = LazyAws::new(endpoint, context.runtime.clone());
    let logs = NodeLogs::open(&log, &cluster, archives.as_ref(), &lazy_aws)?;
    let generations = ClusterNode {
        config: cluster.clone(),
        status: status.clone(),
        clock: clock.clone(),
        running,
        live: Mutex::new(None),
        catching_up: Mutex::default(),
        frozen: Mutex::new(Some(frozen)),
        saver,
        checkpoint_every: context.checkpoint_every,
        log,
        logs,
        announcements: announcements.clone(),
        source,
        bans: bans.clone(),
        data: data.clone(),
        runtime: context.runtime,
    };
    let generations = Arc::new(generations);
    let node = RunningNode::start(cluster, &data, clock, status, &announcements, generations)?;
    let (of_bans, of_rules) = (node.requester(), node.requester());
    bans.change_with(move |ban| of_bans.change(ban));
    let thread = thread::Builder::new().name("rules".to_owned());
    let switch = move |rules, is_forced| of_rules.switch(rules, is_forced);
    thread.spawn(move || rule_switcher::run(&rebuilds, switch))?;
    Ok(node)
}
