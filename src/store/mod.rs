//! Objects by key: one interface to a directory and to a bucket of S3.
//!
//! Keys are parts joined by slashes, below the store's root; their order is that of their bytes. All
//! calls block, so they are for threads that are no runtime's own.

mod compared;
mod directory;
pub mod durable;
#[cfg(feature = "aws")]
mod s3;

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

pub use directory::Directory;
#[cfg(feature = "aws")]
pub use s3::S3;

#[cfg(feature = "aws")]
use crate::aws::AwsError;
use crate::remote::Remote;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key, below the store's root.
    pub key: String,
    /// Its size.
    pub bytes: u64,
}

/// What lies directly below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The folders, each a key's beginning that ends with a slash, in order.
    pub folders: Vec<String>,
    /// The objects, in order.
    pub objects: Vec<Object>,
}

/// When an object may take its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// Where nothing is there yet, or the same bytes.
    Absent,
    /// Where nothing is there, or what was put under this condition with a version that is not greater.
    /// A version is a time in ms since the epoch.
    NotNewerThan(u64),
}

/// What became of an object that was to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, durably: put now, or before with the same bytes.
    Done,
    /// Another one is there, which the condition lets stay.
    Kept,
}

/// Who may read an object beside those whom the store lets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Acl {
    /// Everybody.
    PublicRead,
}

/// What is put beside the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The media type, where the store keeps one.
    pub content_type: &'static str,
    /// When it may take its key.
    pub condition: Condition,
    /// Who else may read it, where the store knows of that.
    pub acl: Option<Acl>,
}

/// A store that cannot do what it is asked.
#[derive(Debug, Error)]
#[error("cannot {action} '{name}': {reason}")]
pub struct StoreError {
    /// What was tried.
    pub action: &'static str,
    /// What it was tried on, as people call it.
    pub name: String,
    /// Part of the message, hence not its source. Its kind is `NotFound` where there is no such object.
    pub reason: io::Error,
}

/// Writes the bytes of an object.
pub type Write<'a> = &'a mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>;

/// Objects by key.
pub trait Store: fmt::Debug + Send + Sync {
    /// Whether the store can be used at all: asked once, before anything depends on it. A directory is
    /// made.
    ///
    /// # Errors
    /// No such store, no permission, no way there.
    fn check(&self) -> Result<(), StoreError>;

    /// What lies directly below `folder`, which is empty or ends with a slash; nothing where it is not there.
    ///
    /// # Errors
    /// What cannot be listed.
    fn list(&self, folder: &str) -> Result<Listing, StoreError>;

    /// All objects whose keys begin with `prefix`, in order, listed as they are taken. After an error it
    /// ends.
    fn walk<'a>(
        &'a self,
        prefix: &str,
    ) -> Box<dyn Iterator<Item = Result<Object, StoreError>> + Send + 'a>;

    /// The bytes of `object` from offset `from` on, all of one version of it.
    ///
    /// # Errors
    /// An object that is not there or cannot be read, now or when it is read.
    fn read(&self, object: &Object, from: u64) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Puts the bytes that `write` writes under `key`: whoever reads finds what was there before or all of
    /// them, and once this returns, they are durable. `write` is called at most once.
    ///
    /// # Errors
    /// Those of `write`; an object that cannot be written.
    fn put(&self, key: &str, form: Form, write: Write<'_>) -> Result<Put, StoreError>;

    /// Takes an object away, where it is there and was not put with a greater version.
    ///
    /// # Errors
    /// One that cannot be taken away.
    fn remove(&self, key: &str, version: u64) -> Result<Put, StoreError>;

    /// A key's whole name, as people call it: a path, or `s3://bucket/key`.
    fn name(&self, key: &str) -> String;
}

/// Where a store is: a directory, or `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Directory(PathBuf),
    /// A bucket, and what all keys begin with: empty, or ending with a slash.
    Bucket(String, String),
}

/// A text that names no place.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("'{0}' names no bucket; write s3://bucket or s3://bucket/prefix")]
pub struct LocationError(String);

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Ok(Self::Directory(text.into()));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(LocationError(text.to_owned()));
        }
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        Ok(Self::Bucket(bucket.to_owned(), format!("{prefix}{slash}")))
    }
}

/// A store that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// AWS cannot be asked.
    #[cfg(feature = "aws")]
    #[error("cannot use '{0}': {1}")]
    Aws(Location, AwsError),
    /// This build knows no S3.
    #[cfg(not(feature = "aws"))]
    #[error("cannot use '{0}': this velodrome knows no S3; build it with --features aws")]
    NoAws(Location),
}

impl Location {
    /// The store there, which nobody has asked anything yet.
    ///
    /// # Errors
    /// A bucket without region or credentials, or in a build without the feature `aws`.
    pub fn open(&self, remote: &Remote) -> Result<Arc<dyn Store>, OpenError> {
        match self {
            Self::Directory(path) => Ok(Arc::new(Directory::new(path.clone()))),
            Self::Bucket(bucket, prefix) => self.bucket(remote, bucket, prefix),
        }
    }

    #[cfg(feature = "aws")]
    fn bucket(
        &self,
        remote: &Remote,
        bucket: &str,
        prefix: &str,
    ) -> Result<Arc<dyn Store>, OpenError> {
        let aws = remote.aws().map_err(|error| OpenError::Aws(self.clone(), error))?;
        Ok(Arc::new(S3::new(&aws, bucket, prefix)))
    }

    #[cfg(not(feature = "aws"))]
    fn bucket(&self, _: &Remote, _: &str, _: &str) -> Result<Arc<dyn Store>, OpenError> {
        Err(OpenError::NoAws(self.clone()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Bucket(bucket, prefix) => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_directories_or_buckets_with_a_prefix() {
        let bucket = |prefix: &str| Ok(Location::Bucket("races".to_owned(), prefix.to_owned()));
        assert_eq!("s3://races".parse(), bucket(""));
        assert_eq!("s3://races/".parse(), bucket(""));
        assert_eq!("s3://races/a/b".parse(), bucket("a/b/"));
        assert_eq!("s3://races/a/b/".parse(), bucket("a/b/"));
        assert_eq!("a/b".parse(), Ok(Location::Directory("a/b".into())));
        assert_eq!("s3:///a".parse::<Location>(), Err(LocationError("s3:///a".to_owned())));
    }
}
