//! Ingest: lists inputs, splits them into lines, decodes lines to events, and records rejected lines.

pub mod dead_letters;
pub mod decode;
pub mod event;
mod fast;
pub(crate) mod gunzip;
mod input;
pub mod inputs;
pub mod lines;
pub(crate) mod object_names;
mod raw_fields;
pub(crate) mod record;
pub mod rejection;
pub mod units;
pub(crate) mod without_field;
