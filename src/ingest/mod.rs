//! From inputs to decoded events: what is read, how lines are cut and decoded, what is rejected.

pub mod dead_letters;
pub mod decode;
pub mod event;
mod fast;
pub(crate) mod fields;
pub(crate) mod gunzip;
pub mod inputs;
pub mod lines;
pub(crate) mod objects;
pub(crate) mod record;
pub mod units;
