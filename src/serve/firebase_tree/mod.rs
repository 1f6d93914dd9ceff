//! The view counts as a JSON tree, the data model of Firebase's Realtime Database.
//!
//! ```text
//! {"project": {"<projectId>": {"durationMs": n, "views": n}}}
//! ```
//!
//! This module has only plain values, and no I/O: paths into the tree, the JSON at a path, and the
//! events that report changes. The stream and the Firebase endpoints both build on this module.

mod event;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod keys;
mod node;
mod path;
#[cfg(test)]
mod tests;

pub(in crate::serve) use event::TreeEvent;
pub(in crate::serve) use node::TreeNode;
pub(in crate::serve) use path::{TreeCounts, TreePath, TreePathError};
