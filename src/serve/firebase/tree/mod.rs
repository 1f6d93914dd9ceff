//! The tree without I/O: its paths, its values, and the events that a change causes at a path.

mod event;
mod node;
mod path;
#[cfg(test)]
mod tests;

pub(in crate::serve) use event::Event;
pub(in crate::serve) use path::{Path, PathError};
