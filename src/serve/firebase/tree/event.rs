//! The events that a client receives when it listens at a path of the tree.

use serde::Serialize;
use velodrome_dataflows::ViewCount;

use super::node::{Node, PROJECT};
use super::path::Path;

/// A change of the tree, relative to the path that the client listens at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Event {
    #[serde(skip)]
    kind: &'static str,
    /// Where the change is, relative to that path.
    path: String,
    data: Node,
}

impl Event {
    /// Creates an event that replaces the complete value at the path.
    pub(in crate::serve) fn whole(node: Node) -> Self {
        Self { kind: "put", path: "/".to_owned(), data: node }
    }

    /// Creates the event for a client at `path` when the counters of `project` become `count`. Returns
    /// `None` if the change does not affect the path.
    pub(in crate::serve) fn of_change(
        path: &Path,
        project: &str,
        count: ViewCount,
    ) -> Option<Self> {
        // The project may be new, so the patch sets both of its keys.
        let patch = |path| Self { kind: "patch", path, data: Node::of_project(count) };
        match path {
            Path::Root => Some(patch(format!("/{PROJECT}/{project}"))),
            Path::Projects => Some(patch(format!("/{project}"))),
            Path::Project(id) => (id == project).then(|| patch("/".to_owned())),
            Path::Views(id) => (id == project).then(|| Self::whole(Node::Number(count.views))),
            Path::Duration(id) => {
                (id == project).then(|| Self::whole(Node::Number(count.duration_ms)))
            }
            Path::Nowhere(_) => None,
        }
    }

    /// Returns the server-sent event: `event: put` or `patch`, and `data: {"path", "data"}`.
    pub(in crate::serve) fn text(&self) -> String {
        // Writing plain values to memory does not fail.
        let data = serde_json::to_string(self).unwrap_or_default();
        ["event: ", self.kind, "\ndata: ", &data, "\n\n"].concat()
    }
}
