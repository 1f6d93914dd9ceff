//! The tree that is shown, pure: paths into it, what is there, and what a change is to who listens.

mod event;
mod node;
mod path;
#[cfg(test)]
mod tests;

pub(in crate::serve) use event::Event;
pub(in crate::serve) use path::{Path, PathError};
