//! What happens in the tree, as it is told to who listens at a path.

use serde::Serialize;
use velodrome_dataflows::ViewCount;

use super::node::{Node, PROJECT};
use super::path::Path;

/// A change, for who listens at some path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Event {
    #[serde(skip)]
    kind: &'static str,
    /// Where, from the path that is listened at on.
    path: String,
    data: Node,
}

impl Event {
    /// All that is there now, in place of what was.
    pub(in crate::serve) fn whole(node: Node) -> Self {
        Self { kind: "put", path: "/".to_owned(), data: node }
    }

    /// That `project` has `count` now, for who listens at `path`; none where it is nothing to them.
    pub(in crate::serve) fn of_change(
        path: &Path,
        project: &str,
        count: ViewCount,
    ) -> Option<Self> {
        // A project may be new: its keys are told, not what is below them.
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

    /// The event on the wire: `event: put` or `patch`, and `data: {"path", "data"}`.
    pub(in crate::serve) fn text(&self) -> String {
        // Writing plain values to memory does not fail.
        let data = serde_json::to_string(self).unwrap_or_default();
        ["event: ", self.kind, "\ndata: ", &data, "\n\n"].concat()
    }
}
