//! The tree that is shown, pure: paths into it, what is there, and what a change is to who listens.

#[cfg_attr(not(test), expect(dead_code, reason = "the stream tells events"))]
mod event;
mod node;
mod path;
#[cfg(test)]
mod tests;

#[cfg_attr(not(test), expect(unused_imports, reason = "the stream tells events"))]
pub(in crate::serve) use event::Event;
pub(in crate::serve) use path::{Path, PathError};
