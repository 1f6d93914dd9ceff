//! Where a check reads: a data directory or a copy of one, or an archive alone.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::CheckError;
use crate::backup_manifest::MANIFEST;
use crate::cluster::parse_archive_folder;
use crate::lazy_aws::LazyAws;
use crate::log::LOG_FOLDER;
use crate::service::{ARCHIVE, CHECKPOINT, DataDirectory, DataDirectoryError, is_served};
use crate::store::{Location, Object, Store};

/// A data directory, or a copy of one in a bucket.
#[derive(Debug)]
pub struct DataPlace {
    /// Its files.
    pub store: Arc<dyn Store>,
    /// Its path, if it is a directory.
    directory: Option<PathBuf>,
    /// The lock that this process has, if it writes to the directory.
    own_lock: Option<DataDirectory>,
}

impl DataPlace {
    /// The data directory at `location`. `None` if there is none.
    ///
    /// # Errors
    /// When the location cannot be read.
    pub fn find(location: &Location, lazy_aws: &LazyAws) -> Result<Option<Self>, CheckError> {
        let place = Self::new(location, lazy_aws)?;
        let listing = place.store.list("")?;
        let is_mark = |object: &Object| [CHECKPOINT, MANIFEST].contains(&&*object.key);
        let is_data = listing.folders.iter().any(|folder| folder == LOG_FOLDER)
            || listing.objects.iter().any(is_mark);
        Ok(is_data.then_some(place))
    }

    /// The place at `location`, whatever it has.
    ///
    /// # Errors
    /// When a bucket cannot be used.
    pub fn new(location: &Location, lazy_aws: &LazyAws) -> Result<Self, CheckError> {
        let directory = match location {
            Location::Directory(path) => Some(path.clone()),
            Location::Bucket(..) => None,
        };
        Ok(Self { store: location.open(lazy_aws)?, directory, own_lock: None })
    }

    /// Locks it as a service does, to write to it. A bucket cannot be locked.
    ///
    /// # Errors
    /// When another process has locked it, and when it cannot be created or locked.
    pub fn lock(&mut self) -> Result<(), DataDirectoryError> {
        self.own_lock = self.directory.as_deref().map(DataDirectory::lock).transpose()?;
        Ok(())
    }

    /// Whether a service uses it now.
    pub(super) fn is_served(&self) -> bool {
        self.own_lock.is_none() && self.directory.as_deref().is_some_and(is_served)
    }

    /// Opens a file of it. That of a bucket is copied to a temporary file.
    pub(super) fn open(&self, object: &Object) -> io::Result<File> {
        if let Some(directory) = &self.directory {
            return File::open(directory.join(&object.key));
        }
        let mut file = tempfile::tempfile()?;
        let mut bytes = self.store.read(object, 0).map_err(|error| error.reason)?;
        io::copy(&mut bytes, &mut file)?;
        Ok(file)
    }
}

/// Opens the archive at `location`.
///
/// # Errors
/// When it cannot be listed, and when it is that of a cluster, in which each node has a folder.
pub fn open_archive(location: &Location, lazy_aws: &LazyAws) -> Result<Arc<dyn Store>, CheckError> {
    let archive = location.open(lazy_aws)?;
    let mut folders = archive.list("")?.folders.into_iter();
    match folders.find(|folder| parse_archive_folder(folder).is_some()) {
        Some(folder) => Err(CheckError::OfCluster(location.to_string(), folder)),
        None => Ok(archive),
    }
}

/// The archive of the data directory at `data`, unless another one is given.
pub fn default_archive(data: &Location) -> Location {
    match data {
        Location::Directory(path) => Location::Directory(path.join(ARCHIVE)),
        Location::Bucket(bucket, prefix) => {
            Location::Bucket(bucket.clone(), format!("{prefix}{ARCHIVE}/"))
        }
    }
}
