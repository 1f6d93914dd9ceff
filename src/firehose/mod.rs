//! Firehose's contracts: its data transformation, and its deliveries to an HTTP endpoint. Bytes in,
//! bytes out; the command and the HTTP service move them.

pub mod delivery;
mod json;
pub mod splitter;
#[cfg(test)]
mod tests;
pub mod transform;
