//! Paths into the tree, as they stand in URLs.

use compact_str::CompactString;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use velodrome_dataflows::ViewCount;

use super::node::{DURATION, Node, PROJECT, VIEWS, key_order};
use crate::live_state::LiveTables;
use crate::serve::error::ApiError;
use crate::serve::permissions::Permissions;

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Path {
    /// All there is.
    Root,
    /// All projects.
    Projects,
    /// One project.
    Project(CompactString),
    /// The views of a project.
    Views(CompactString),
    /// The watched time of a project.
    Duration(CompactString),
    /// Where there is never anything: below what a project has, or beside all projects.
    Nowhere(Option<CompactString>),
}

/// A URL's path that is no place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::serve) enum PathError {
    /// It does not ask for JSON.
    #[error("the path does not end with '.json'")]
    Unmarked,
    /// A key is not text.
    #[error("the path is not UTF-8")]
    NotUtf8,
}

impl Path {
    /// The place that a URL's path names, as it was sent: a key is what is between two slashes once
    /// its percent escapes are decoded, so that it may have slashes of its own. Empty keys are left
    /// out.
    pub(in crate::serve) fn parse(raw: &str) -> Result<Self, PathError> {
        let raw = raw.strip_suffix(".json").ok_or(PathError::Unmarked)?;
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

    /// Whether what is there changes with `project`.
    pub(in crate::serve) fn has(&self, project: &CompactString) -> bool {
        match self {
            Self::Root | Self::Projects => true,
            Self::Project(id) | Self::Views(id) | Self::Duration(id) => id == project,
            Self::Nowhere(_) => false,
        }
    }

    /// The counter that is there, where it is a single one.
    pub(in crate::serve) fn leaf(&self, count: ViewCount) -> Option<u64> {
        match self {
            Self::Views(_) => Some(count.views),
            Self::Duration(_) => Some(count.duration_ms),
            Self::Root | Self::Projects | Self::Project(_) | Self::Nowhere(_) => None,
        }
    }

    /// 403 `forbidden` where it is not for who holds `permissions`.
    pub(in crate::serve) fn check(&self, permissions: &Permissions) -> Result<(), ApiError> {
        match self {
            Self::Project(id) | Self::Views(id) | Self::Duration(id) | Self::Nowhere(Some(id)) => {
                permissions.require_project(id)
            }
            Self::Root | Self::Projects | Self::Nowhere(None) => permissions.require_all(),
        }
    }

    /// The projects that [`Path::node`] is made of, in no order: little work, for who holds a lock.
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

    /// What is there, where there are the projects of [`Path::counts`].
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
