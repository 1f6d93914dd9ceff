//! The location of a store: a directory, or `s3://bucket/prefix`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::directory::Directory;
use super::interface::Store;
#[cfg(feature = "aws")]
use super::s3::S3;
#[cfg(feature = "aws")]
use crate::aws::AwsError;
use crate::lazy_aws::LazyAws;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Directory(PathBuf),
    /// A bucket, and the prefix of all keys, which is empty or ends with a slash.
    Bucket(String, String),
}

/// A text that is not a valid location.
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

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// AWS cannot be used.
    #[cfg(feature = "aws")]
    #[error("cannot use '{0}': {1}")]
    Aws(Location, AwsError),
    /// This build has no S3 support.
    #[cfg(not(feature = "aws"))]
    #[error("cannot use '{0}': this velodrome is built without S3; build it with --features aws")]
    Unsupported(Location),
}

impl Location {
    /// The store at this location. Makes no call to the store; [`Store::check`] does.
    ///
    /// # Errors
    /// The location is a bucket, and there are no region or credentials, or the build lacks the feature
    /// `aws`.
    pub fn open(&self, lazy_aws: &LazyAws) -> Result<Arc<dyn Store>, OpenError> {
        match self {
            Self::Directory(path) => Ok(Arc::new(Directory::new(path.clone()))),
            Self::Bucket(bucket, prefix) => self.bucket(lazy_aws, bucket, prefix),
        }
    }

    /// The folder `name` of this location.
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Directory(path) => Self::Directory(path.join(name)),
            Self::Bucket(bucket, prefix) => {
                Self::Bucket(bucket.clone(), format!("{prefix}{name}/"))
            }
        }
    }

    #[cfg(feature = "aws")]
    fn bucket(
        &self,
        lazy_aws: &LazyAws,
        bucket: &str,
        prefix: &str,
    ) -> Result<Arc<dyn Store>, OpenError> {
        let aws = lazy_aws.get().map_err(|error| OpenError::Aws(self.clone(), error))?;
        Ok(Arc::new(S3::new(&aws, bucket, prefix)))
    }

    #[cfg(not(feature = "aws"))]
    fn bucket(&self, _: &LazyAws, _: &str, _: &str) -> Result<Arc<dyn Store>, OpenError> {
        Err(OpenError::Unsupported(self.clone()))
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
    fn parses_directories_and_buckets_with_a_prefix() {
        let bucket = |prefix: &str| Ok(Location::Bucket("races".to_owned(), prefix.to_owned()));
        assert_eq!("s3://races".parse(), bucket(""));
        assert_eq!("s3://races/".parse(), bucket(""));
        assert_eq!("s3://races/a/b".parse(), bucket("a/b/"));
        assert_eq!("s3://races/a/b/".parse(), bucket("a/b/"));
        assert_eq!("a/b".parse(), Ok(Location::Directory("a/b".into())));
        assert_eq!("s3:///a".parse::<Location>(), Err(LocationError("s3:///a".to_owned())));
    }
}
