//! Ingest: lists inputs, cuts them into lines, decodes the lines to events, and records rejected lines.

pub mod dead_letters;
pub mod decode;
pub mod event;
mod fast;
pub(crate) mod fields;
pub(crate) mod gunzip;
mod input;
pub mod inputs;
pub mod lines;
pub(crate) mod objects;
pub(crate) mod record;
pub mod units;
