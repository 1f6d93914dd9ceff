//! The simulated disk, for tests of all modules that write durable files.

mod checks;
pub(crate) mod simulated;
