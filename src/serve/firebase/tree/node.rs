//! The values of the tree, and their JSON.

use compact_str::CompactString;
use serde::{Serialize, Serializer};
use velodrome_dataflows::ViewCount;

/// The only key below the root.
pub(super) const PROJECT: &str = "project";
/// The two keys below a project.
pub(super) const VIEWS: &str = "views";
pub(super) const DURATION: &str = "durationMs";

/// A value of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Node {
    /// No value; Firebase has no empty objects.
    Null,
    /// Stands for a value in a shallow read.
    True,
    /// A counter.
    Number(u64),
    /// Values by key, in Firebase's order.
    Object(Vec<(CompactString, Node)>),
}

impl Node {
    /// Returns a project's counters as an object.
    pub(super) fn of_project(count: ViewCount) -> Self {
        let (duration, views) = (Self::Number(count.duration_ms), Self::Number(count.views));
        Self::Object(vec![(DURATION.into(), duration), (VIEWS.into(), views)])
    }

    /// Returns the value with `true` in place of the values of an object.
    pub(in crate::serve) fn shallow(self) -> Self {
        match self {
            Self::Object(keys) => {
                Self::Object(keys.into_iter().map(|(key, _)| (key, Self::True)).collect())
            }
            leaf => leaf,
        }
    }
}

impl Serialize for Node {
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

/// Returns the sort key of a tree key: 32-bit integers come first in numeric order, then all other keys
/// by their text (Firebase, "How data is ordered").
pub(super) fn key_order(key: &CompactString) -> (bool, i32, CompactString) {
    let number = key.parse().ok().filter(|number: &i32| number.to_string() == *key);
    (number.is_none(), number.unwrap_or_default(), key.clone())
}
