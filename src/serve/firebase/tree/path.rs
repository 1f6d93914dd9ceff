//! Paths into the tree, parsed from URLs.

use compact_str::CompactString;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use velodrome_dataflows::ViewCount;

use super::node::{DURATION, Node, PROJECT, VIEWS, key_order};
use crate::live_state::LiveTables;
use crate::serve::error::ApiError;
use crate::serve::permissions::Permissions;

/// A path into the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Path {
    /// The complete tree.
    Root,
    /// All projects.
    Projects,
    /// One project.
    Project(CompactString),
    /// The number of views of a project.
    Views(CompactString),
    /// The watched time of a project.
    Duration(CompactString),
    /// A path that never has a value: another key of the root, or another key inside a project.
    Nowhere(Option<CompactString>),
}

/// Why a URL's path is no path into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::serve) enum PathError {
    /// It does not end with `.json`.
    #[error("the path does not end with '.json'")]
    NoJsonSuffix,
    /// A decoded key is not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
}

impl Path {
    /// Parses the raw path of a URL. Keys are the parts between slashes; percent escapes are decoded
    /// afterwards, so a key can contain slashes. Empty keys are skipped.
    ///
    /// # Errors
    /// The path does not end with `.json`, or a key is not UTF-8.
    pub(in crate::serve) fn parse(raw: &str) -> Result<Self, PathError> {
        let raw = raw.strip_suffix(".json").ok_or(PathError::NoJsonSuffix)?;
        let keys = raw.split('/').filter(|key| !key.is_empty());
        let keys = keys.map(|key| percent_decode_str(key).decode_utf8());
        let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|_| PathError::NotUtf8)?;
        let keys: Vec<_> = keys.iter().map(|key| &**key).collect();
        Ok(match keys[..] {
            [] => Self::Root,
            [PROJECT] => Self::Projects,
            [PROJECT, id] => Self::Project(id.into()),
            [PROJECT, id, VIEWS] => Self::Views(id.into()),
            [PROJECT, id, DURATION] => Self::Duration(id.into()),
            [PROJECT, id, ..] => Self::Nowhere(Some(id.into())),
            _ => Self::Nowhere(None),
        })
    }

    /// Returns whether a change of `project` changes the value at the path.
    pub(in crate::serve) fn has(&self, project: &CompactString) -> bool {
        match self {
            Self::Root | Self::Projects => true,
            Self::Project(id) | Self::Views(id) | Self::Duration(id) => id == project,
            Self::Nowhere(_) => false,
        }
    }

    /// Returns the counter at the path, or `None` if the path is not a single counter.
    pub(in crate::serve) fn leaf(&self, count: ViewCount) -> Option<u64> {
        match self {
            Self::Views(_) => Some(count.views),
            Self::Duration(_) => Some(count.duration_ms),
            Self::Root | Self::Projects | Self::Project(_) | Self::Nowhere(_) => None,
        }
    }

    /// Returns 403 `forbidden` if `permissions` do not cover the path.
    pub(in crate::serve) fn check(&self, permissions: &Permissions) -> Result<(), ApiError> {
        match self {
            Self::Project(id) | Self::Views(id) | Self::Duration(id) | Self::Nowhere(Some(id)) => {
                permissions.require_project(id)
            }
            Self::Root | Self::Projects | Self::Nowhere(None) => permissions.require_all(),
        }
    }

    /// Returns the projects that [`Path::node`] needs, in no order. It is cheap, because the caller holds
    /// the lock on the live state.
    pub(in crate::serve) fn counts(&self, live: &LiveTables) -> Vec<(CompactString, ViewCount)> {
        match self {
            Self::Root | Self::Projects => {
                live.projects().map(|(id, count)| (id.clone(), *count)).collect()
            }
            Self::Project(id) | Self::Views(id) | Self::Duration(id) => {
                live.project(id).map(|count| (id.clone(), count)).into_iter().collect()
            }
            Self::Nowhere(_) => Vec::new(),
        }
    }

    /// Builds the value at the path from the projects of [`Path::counts`].
    pub(in crate::serve) fn node(&self, mut counts: Vec<(CompactString, ViewCount)>) -> Node {
        if counts.is_empty() {
            return Node::Null;
        }
        let first = counts.first().map(|(_, count)| *count).unwrap_or_default();
        match self {
            Self::Root => {
                let projects = Self::Projects.node(counts);
                Node::Object(vec![(PROJECT.into(), projects)])
            }
            Self::Projects => {
                counts.sort_by_cached_key(|(id, _)| key_order(id));
                Node::Object(counts.into_iter().map(|(id, n)| (id, Node::of_project(n))).collect())
            }
            Self::Project(_) => Node::of_project(first),
            Self::Views(_) => Node::Number(first.views),
            Self::Duration(_) => Node::Number(first.duration_ms),
            Self::Nowhere(_) => Node::Null,
        }
    }
}
