//! Paths into the tree.

use compact_str::CompactString;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use velodrome_dataflows::ViewCount;

use super::keys::{DURATION, PROJECT, VIEWS, project_id, project_key, sort_key};
use super::node::TreeNode;
use crate::live_state::{LiveTables, ProjectList};
use crate::serve::error::ApiError;
use crate::serve::permissions::Permissions;

/// A path into the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum TreePath {
    /// The complete tree.
    Root,
    /// All projects.
    Projects,
    /// One project.
    Project(CompactString),
    /// The views of a project.
    Views(CompactString),
    /// The watched time of a project.
    Duration(CompactString),
    /// A path that never has data: below a counter or an unknown key. Contains the project, if the path
    /// names one.
    Missing(Option<CompactString>),
}

/// The projects at or below a path.
#[derive(Clone, Debug)]
pub(in crate::serve) enum TreeCounts {
    /// All projects.
    All(ProjectList),
    /// The project that the path names, if it has counts.
    One(Option<ViewCount>),
}

/// A URL path that is not a path into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::serve) enum TreePathError {
    /// It does not request JSON.
    #[error("the path does not end with '.json'")]
    NoJsonSuffix,
    /// A key is not text.
    #[error("the path is not UTF-8")]
    NotUtf8,
}

impl TreePath {
    /// Parses the raw path of a URL.
    ///
    /// The path is split at slashes before its percent escapes are decoded. So a client that escapes a project
    /// id only once, for the URL, reads the project as well. Empty keys are ignored.
    pub(in crate::serve) fn parse(raw: &str) -> Result<Self, TreePathError> {
        let raw = raw.strip_suffix(".json").ok_or(TreePathError::NoJsonSuffix)?;
        let keys = raw.split('/').filter(|key| !key.is_empty());
        let keys = keys.map(|key| percent_decode_str(key).decode_utf8());
        let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|_| TreePathError::NotUtf8)?;
        let keys: Vec<_> = keys.iter().map(|key| &**key).collect();
        Ok(match keys[..] {
            [] => Self::Root,
            [PROJECT] => Self::Projects,
            [PROJECT, key] => Self::Project(project_id(key)),
            [PROJECT, key, VIEWS] => Self::Views(project_id(key)),
            [PROJECT, key, DURATION] => Self::Duration(project_id(key)),
            [PROJECT, key, ..] => Self::Missing(Some(project_id(key))),
            _ => Self::Missing(None),
        })
    }

    /// Whether the data at this path includes counters of `project`.
    pub(in crate::serve) fn includes(&self, project: &CompactString) -> bool {
        match self {
            Self::Root | Self::Projects => true,
            Self::Project(id) | Self::Views(id) | Self::Duration(id) => id == project,
            Self::Missing(_) => false,
        }
    }

    /// The value at this path if it is a single counter of a project with this count.
    pub(in crate::serve) fn counter(&self, count: ViewCount) -> Option<u64> {
        match self {
            Self::Views(_) => Some(count.views),
            Self::Duration(_) => Some(count.duration_ms),
            Self::Root | Self::Projects | Self::Project(_) | Self::Missing(_) => None,
        }
    }

    /// 403 `forbidden` unless `permissions` include this path.
    pub(in crate::serve) fn authorize(&self, permissions: &Permissions) -> Result<(), ApiError> {
        match self {
            Self::Project(id) | Self::Views(id) | Self::Duration(id) | Self::Missing(Some(id)) => {
                permissions.require_project(id)
            }
            Self::Root | Self::Projects | Self::Missing(None) => permissions.require_all(),
        }
    }

    /// Whether the data at this path has all projects.
    pub(in crate::serve) fn has_all_projects(&self) -> bool {
        matches!(self, Self::Root | Self::Projects)
    }

    /// The projects at or below this path. It copies only one of them, because the caller holds a lock;
    /// [`TreePath::node`] does the rest.
    pub(in crate::serve) fn counts(&self, live: &LiveTables) -> TreeCounts {
        match self {
            Self::Root | Self::Projects => TreeCounts::All(live.project_list()),
            Self::Project(id) | Self::Views(id) | Self::Duration(id) => {
                TreeCounts::One(live.project(id))
            }
            Self::Missing(_) => TreeCounts::One(None),
        }
    }

    /// The data at this path, made of the projects that [`TreePath::counts`] returned.
    pub(in crate::serve) fn node(&self, counts: &TreeCounts) -> TreeNode {
        match (self, counts) {
            (Self::Root, TreeCounts::All(list)) if !list.is_empty() => TreeNode::Root(by_key(list)),
            (Self::Projects, TreeCounts::All(list)) if !list.is_empty() => {
                TreeNode::Projects(by_key(list))
            }
            (Self::Project(_), TreeCounts::One(Some(count))) => TreeNode::Project(*count),
            (Self::Views(_), TreeCounts::One(Some(count))) => TreeNode::Number(count.views),
            (Self::Duration(_), TreeCounts::One(Some(count))) => {
                TreeNode::Number(count.duration_ms)
            }
            _ => TreeNode::Null,
        }
    }
}

/// The projects in Firebase's order.
fn by_key(list: &ProjectList) -> Vec<(CompactString, ViewCount)> {
    let mut rows: Vec<_> = list.iter().map(|row| (row.id.clone(), row.count())).collect();
    rows.sort_by_cached_key(|(id, _)| sort_key(&project_key(id)));
    rows
}
