//! The JSON at a path of the tree.

use compact_str::CompactString;
use serde::{Serialize, Serializer};
use velodrome_dataflows::ViewCount;

use super::keys::{DURATION, PROJECT, VIEWS, project_key};

/// A JSON value of the tree. Large values are serialized from flat rows, in which a project takes 40
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum TreeNode {
    /// No data. Firebase has no empty objects.
    Null,
    /// A counter.
    Number(u64),
    /// The counters of a project.
    Project(ViewCount),
    /// All projects by id, in Firebase's order.
    Projects(Vec<(CompactString, ViewCount)>),
    /// The complete tree, with all projects.
    Root(Vec<(CompactString, ViewCount)>),
    /// Keys with `true` in place of the data below them.
    Keys(Vec<CompactString>),
}

impl TreeNode {
    /// The same value, with `true` in place of the data below each key.
    pub(in crate::serve) fn shallow(self) -> Self {
        match self {
            Self::Root(_) => Self::Keys(vec![PROJECT.into()]),
            Self::Projects(rows) => {
                Self::Keys(rows.iter().map(|(id, _)| (*project_key(id)).into()).collect())
            }
            Self::Project(_) => Self::Keys(vec![DURATION.into(), VIEWS.into()]),
            leaf => leaf,
        }
    }
}

impl Serialize for TreeNode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Project(count) => Counters(*count).serialize(serializer),
            Self::Projects(rows) => ById(rows).serialize(serializer),
            Self::Root(rows) => serializer.collect_map([(PROJECT, ById(rows))]),
            Self::Keys(keys) => serializer.collect_map(keys.iter().map(|key| (key, true))),
        }
    }
}

/// Serializes as the counters of a project, by key.
struct Counters(ViewCount);

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ViewCount { views, duration_ms } = self.0;
        serializer.collect_map([(DURATION, duration_ms), (VIEWS, views)])
    }
}

/// Serializes as the counters of projects, by id.
struct ById<'a>(&'a [(CompactString, ViewCount)]);

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, count)| (project_key(id), Counters(*count))))
    }
}
