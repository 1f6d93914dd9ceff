//! The interface that all stores implement, and the types in its signatures.

use std::fmt;
use std::io::{self, Read};

use thiserror::Error;

use crate::io_reason::IoReason;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key, relative to the store's root.
    pub key: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The ETag of the version that was listed, without quotes. None in a directory.
    pub etag: Option<String>,
}

/// The direct children of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The folders, sorted. Each is a key prefix that ends with a slash.
    pub folders: Vec<String>,
    /// The objects, sorted by key.
    pub objects: Vec<Object>,
}

/// When a put may replace the object at its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// Only if the key holds no object, or one with the same bytes.
    Absent,
    /// Only if the key holds no object, or one whose version is not greater than this one. A version is
    /// a time in ms since the epoch. Objects that were put under another condition count as older.
    NotNewerThan(u64),
}

/// The outcome of a put or a remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The store is in the requested state, durably. Also returned if a put found the same bytes there
    /// already.
    Done,
    /// The condition does not hold, so the store keeps the object that it had.
    PreconditionFailed,
}

/// Who may read an object, in addition to those that the policy of the store allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Acl {
    /// Everybody.
    PublicRead,
}

/// Options of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOptions {
    /// The media type. A directory ignores it.
    pub content_type: &'static str,
    /// When the put may take effect.
    pub condition: Condition,
    /// Who else may read the object. A directory ignores it.
    pub acl: Option<Acl>,
}

/// A failed operation of a store.
#[derive(Debug, Error)]
#[error("cannot {action} '{name}': {}", IoReason(.reason))]
pub struct StoreError {
    /// The operation, as a verb.
    pub action: &'static str,
    /// The full name of the object or folder, as in [`Store::name`].
    pub name: String,
    /// The cause. It is part of the message, and therefore not the error's source. Its kind is
    /// `NotFound` if the object does not exist.
    pub reason: io::Error,
}

/// Writes the bytes of an object to the given writer.
pub type WriteBody<'a> = &'a mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>;

/// A store of objects by key.
pub trait Store: fmt::Debug + Send + Sync {
    /// Checks that the store is usable. Called once, before anything depends on the store. Creates a
    /// directory that does not exist.
    ///
    /// # Errors
    /// The store does not exist, is unreachable, or denies access.
    fn check(&self) -> Result<(), StoreError>;

    /// The direct children of `folder`, which is empty or ends with a slash. The listing of a folder
    /// that does not exist is empty.
    ///
    /// # Errors
    /// The folder cannot be listed.
    fn list(&self, folder: &str) -> Result<Listing, StoreError>;

    /// All objects whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// The store cannot be listed.
    fn walk(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// The object with this key, if it exists.
    ///
    /// # Errors
    /// The store cannot be read.
    fn find(&self, key: &str) -> Result<Option<Object>, StoreError>;

    /// The bytes of the object with this key, if it exists. They must fit into memory.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(object) = self.find(key)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = self.read(&object, 0)?.read_to_end(&mut bytes);
        read.map_err(|reason| StoreError { action: "read", name: self.name(key), reason })?;
        Ok(Some(bytes))
    }

    /// A reader of the bytes of `object` from `offset`. All bytes come from one version of the object:
    /// from the one with its ETag, if it has one.
    ///
    /// # Errors
    /// The object does not exist or cannot be read. The returned reader can fail for the same reasons,
    /// and with the kind `StaleNetworkFileHandle` if the object has changed.
    fn read(&self, object: &Object, offset: u64) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Stores the bytes that `write` writes under `key`, atomically: readers see the previous object or
    /// the complete new one. The bytes are durable when this returns. `write` is called at most once.
    ///
    /// # Errors
    /// `write` failed, or the object cannot be written.
    fn put(
        &self,
        key: &str,
        options: PutOptions,
        write: WriteBody<'_>,
    ) -> Result<WriteOutcome, StoreError>;

    /// Removes the object at `key`, unless its version is greater than `version`. Removing a missing
    /// object succeeds.
    ///
    /// # Errors
    /// The object cannot be removed.
    fn remove(&self, key: &str, version: u64) -> Result<WriteOutcome, StoreError>;

    /// The full name of a key for messages: a path, or `s3://bucket/key`.
    fn name(&self, key: &str) -> String;
}
