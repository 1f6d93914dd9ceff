//! The JSON at a path of the tree.

use compact_str::CompactString;
use serde::{Serialize, Serializer};
use velodrome_dataflows::ViewCount;

use super::keys::{DURATION, VIEWS};

/// A JSON value of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum TreeNode {
    /// No data. Firebase has no empty objects.
    Null,
    /// Stands for the data below a key in a shallow read.
    True,
    /// A counter.
    Number(u64),
    /// Values by key, in Firebase's order.
    Object(Vec<(CompactString, TreeNode)>),
}

impl TreeNode {
    /// The counters of a project.
    pub(super) fn project(count: ViewCount) -> Self {
        let (duration, views) = (Self::Number(count.duration_ms), Self::Number(count.views));
        Self::Object(vec![(DURATION.into(), duration), (VIEWS.into(), views)])
    }

    /// The same value, with `true` in place of the data below each key.
    pub(in crate::serve) fn shallow(self) -> Self {
        match self {
            Self::Object(keys) => {
                Self::Object(keys.into_iter().map(|(key, _)| (key, Self::True)).collect())
            }
            leaf => leaf,
        }
    }
}

impl Serialize for TreeNode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::True => serializer.serialize_bool(true),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Object(keys) => {
                serializer.collect_map(keys.iter().map(|(key, node)| (key, node)))
            }
        }
    }
}
