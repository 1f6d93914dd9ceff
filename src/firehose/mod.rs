//! Firehose's contracts: its data transformation, and its deliveries to an HTTP endpoint. Functions take
//! and return bytes; the command and the HTTP service do the I/O.

pub mod delivery;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod json;
pub mod splitter;
#[cfg(test)]
mod tests;
pub mod transform;
