//! Ingest: lists inputs, splits them into lines, decodes lines to events, and records rejected lines.

mod array_lines;
mod bucket_objects;
pub mod dead_letters;
pub mod decode;
pub mod event;
mod fast;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod gunzip;
mod input;
pub mod inputs;
pub mod lines;
pub mod missing_segments;
pub(crate) mod object_names;
pub(crate) mod objects;
mod raw_fields;
pub(crate) mod record;
pub mod rejection;
pub mod rejections;
pub mod run_inputs;
pub mod streams;
pub mod units;
mod unzstd;
pub(crate) mod without_field;
pub(crate) mod wrapping;
