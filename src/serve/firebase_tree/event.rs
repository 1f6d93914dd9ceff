//! Change events for clients that stream a path of the tree.

use serde::Serialize;
use velodrome_dataflows::ViewCount;

use super::keys::{PROJECT, project_key};
use super::node::TreeNode;
use super::path::TreePath;

/// A `put` or `patch` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct TreeEvent {
    #[serde(skip)]
    name: &'static str,
    /// The changed path, relative to the streamed path.
    path: String,
    data: TreeNode,
}

impl TreeEvent {
    /// Replaces all data at the streamed path.
    pub(in crate::serve) fn put(node: TreeNode) -> Self {
        Self { name: "put", path: "/".to_owned(), data: node }
    }

    /// Reports the new `count` of `project` to a client that streams `path`. `None` if the project is
    /// not at or below that path.
    pub(in crate::serve) fn for_change(
        path: &TreePath,
        project: &str,
        count: ViewCount,
    ) -> Option<Self> {
        // The project may be new to the client, so the event carries all its counters.
        let patch = |path| Self { name: "patch", path, data: TreeNode::Project(count) };
        match path {
            TreePath::Root => Some(patch(format!("/{PROJECT}/{}", project_key(project)))),
            TreePath::Projects => Some(patch(format!("/{}", project_key(project)))),
            TreePath::Project(id) => (id == project).then(|| patch("/".to_owned())),
            TreePath::Views(id) => {
                (id == project).then(|| Self::put(TreeNode::Number(count.views)))
            }
            TreePath::Duration(id) => {
                (id == project).then(|| Self::put(TreeNode::Number(count.duration_ms)))
            }
            TreePath::Missing(_) => None,
        }
    }

    /// Encodes it as a server-sent event: `event: put` or `patch`, and `data: {"path", "data"}`.
    pub(in crate::serve) fn encode(&self) -> String {
        // Plain values always serialize.
        let data = serde_json::to_string(self).unwrap_or_default();
        ["event: ", self.name, "\ndata: ", &data, "\n\n"].concat()
    }
}
