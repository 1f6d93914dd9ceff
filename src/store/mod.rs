//! Object storage: one interface to a directory and to an S3 bucket.
//!
//! A key is a list of parts joined by slashes, below the store's root. Keys are ordered by their bytes.
//! All calls block, so make them only from threads that do not belong to a runtime.

mod compare_writer;
mod directory;
#[cfg(test)]
mod hooked;
mod interface;
mod location;
#[cfg(feature = "aws")]
mod s3;
mod walk;

pub use directory::Directory;
#[cfg(test)]
pub(crate) use hooked::Hooked;
pub use interface::{
    Acl, Condition, Listing, Object, PutOptions, Store, StoreError, WriteBody, WriteOutcome,
};
pub use location::{Location, LocationError, OpenError};
#[cfg(feature = "aws")]
pub use s3::S3;
#[cfg(all(feature = "aws", any(test, fuzzing)))]
pub(crate) use s3::fuzz::listed_key;
