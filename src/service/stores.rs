//! The archive, and the stores of history objects.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::{Config, HISTORY};
use super::error::ServiceError;
use crate::lazy_aws::LazyAws;
use crate::store::{Location, Store};

/// The archive, and the stores of history objects.
pub(super) struct Stores {
    pub(super) archive: Arc<dyn Store>,
    /// The directory of the history objects that the service serves.
    pub(super) served_history: PathBuf,
    /// The bucket to which history objects are also published, if any.
    pub(super) history_bucket: Option<Arc<dyn Store>>,
}

impl Stores {
    /// Opens the stores, and checks that they can be read and written.
    pub(super) fn open(config: &Config, lazy_aws: &LazyAws) -> Result<Self, ServiceError> {
        let archive = config.archive.open(lazy_aws)?;
        archive.check()?;
        let is_member = config.cluster.as_ref().is_some_and(|cluster| !cluster.is_coordinator());
        let (served_history, history_bucket) = match &config.history {
            // Each node serves its own copy, and the coordinator publishes for all.
            _ if is_member => (config.data.join(HISTORY), None),
            Location::Directory(path) => (path.clone(), None),
            Location::Bucket(..) => {
                let bucket = config.history.open(lazy_aws)?;
                bucket.check()?;
                (config.data.join(HISTORY), Some(bucket))
            }
        };
        Ok(Self { archive, served_history, history_bucket })
    }
}
