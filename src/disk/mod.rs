//! The durable files of a service: everything that writes, renames, removes or syncs them.
//!
//! In production these functions are those of `std::fs`. In tests, a simulated disk can own a
//! directory: it records every operation below it, fails as planned, and after a crash leaves only what a
//! disk would have. Reads need no wrapper: they are of the real files.

mod file;
mod names;
#[cfg(test)]
pub(crate) mod tests;

pub use file::File;
pub use names::{create_dir_all, remove_file, rename, sync_dir};
