//! `GET /v1/cluster`: the nodes of the cluster, and whether a generation of them answers reads.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use velodrome_dataflows::EventTime;

use super::error::{ApiError, ErrorBody};
use super::params::{NoParams, QueryParams};
use super::permissions::Permissions;
use super::state::App;
use crate::cluster::{self, NodeView, Report, Snapshot};

/// The cluster, as the node that answers knows it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cluster {
    /// The name of the cluster.
    cluster: String,
    /// The node that answers.
    node: u64,
    /// Whether a generation answers reads on this node.
    state: GenerationState,
    /// The newest generation that this node was part of since its start; null before the first.
    #[schema(required = true)]
    generation: Option<u64>,
    /// Why no generation answers reads; null while one does.
    #[schema(required = true)]
    reason: Option<String>,
    /// The time up to which results are complete on this node, in ms since the epoch; 0 before the first
    /// generation.
    as_of: EventTime,
    /// The number of worker threads of each node.
    workers: u64,
    /// All nodes, by id.
    nodes: Vec<Node>,
}

/// Whether a generation answers reads.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum GenerationState {
    /// No generation runs, because nodes are missing or one just ended.
    Waiting,
    /// A generation loads checkpoints and replays logs.
    Forming,
    /// A generation answers reads.
    Live,
}

/// A node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    /// The URL of its API, as the cluster file has it.
    url: String,
    /// Whether it is connected to node 0; null if the node that answers is not and cannot know.
    #[schema(required = true)]
    connected: Option<bool>,
    /// The time of its log when it last reported, in ms since the epoch; null before its first report.
    #[schema(required = true)]
    log_time: Option<EventTime>,
    /// The lag of its results behind its log when it last reported, in ms.
    #[schema(required = true)]
    lag_ms: Option<u64>,
    /// The time up to which its checkpoint was complete when it last reported, in ms since the epoch; null
    /// without a checkpoint.
    #[schema(required = true)]
    checkpoint: Option<EventTime>,
    /// The shards of the stream that it read when it last reported.
    shards: Vec<String>,
}

impl Node {
    fn new(node: &cluster::Node, view: NodeView) -> Self {
        let NodeView { is_connected: connected, report } = view;
        let (log_time, lag_ms, checkpoint, shards) = match report {
            Some(Report { clock_ms, lag_ms, checkpoint, shards, .. }) => {
                (Some(clock_ms), Some(lag_ms), checkpoint, shards)
            }
            None => (None, None, None, Vec::new()),
        };
        let (id, url) = (node.id as u64, node.url.clone());
        Self { id, url, connected, log_time, lag_ms, checkpoint, shards }
    }
}

/// Get the nodes of the cluster, and whether it answers reads
///
/// All nodes answer the same within a second, except `node`, `state`, `reason` and `asOf`, which are those of
/// the node that answers. A node that is not connected to node 0 knows only itself.
#[utoipa::path(
    get,
    path = "/v1/cluster",
    responses(
        (status = 200, description = "The cluster.", body = Cluster),
        (status = 404, description = "The service is not a node of a cluster (code `no_cluster`).", body = ErrorBody),
    )
)]
pub(super) async fn cluster(
    State(app): State<App>,
    permissions: Permissions,
    QueryParams(NoParams {}): QueryParams<NoParams>,
) -> Result<Json<Cluster>, ApiError> {
    permissions.require_all()?;
    let status = app.cluster().ok_or_else(ApiError::no_cluster)?;
    let (config, Snapshot { state, generation, nodes, .. }) = (status.config(), status.snapshot());
    let (state, reason) = match state {
        cluster::State::Waits(reason) => (GenerationState::Waiting, Some(reason)),
        cluster::State::Forms(_) => (GenerationState::Forming, Some("catches up".to_owned())),
        cluster::State::Lives(_) => (GenerationState::Live, None),
    };
    Ok(Json(Cluster {
        cluster: config.cluster.clone(),
        node: config.node().id as u64,
        state,
        generation,
        reason,
        as_of: app.engine().complete(),
        workers: config.workers as u64,
        nodes: config.nodes.iter().zip(nodes).map(|(node, view)| Node::new(node, view)).collect(),
    }))
}
