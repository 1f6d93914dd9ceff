//! A store in a bucket of S3, or of a service that speaks S3's protocol.

mod bucket;
mod conditional;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod listing;
mod range_fetch;
mod ranged_reader;
mod s3_store;
mod silence;

pub use bucket::S3;
