//! A directory store for tests that change files while they are read.

use std::fmt;
use std::io::Read;

use super::directory::Directory;
use super::interface::{Listing, Object, PutOptions, Store, StoreError, WriteBody, WriteOutcome};

/// A directory that calls a function before each listing, with its folder or prefix.
pub(crate) struct Hooked<F> {
    inner: Directory,
    before_listing: F,
}

impl<F: Fn(&str) + Send + Sync> Hooked<F> {
    pub(crate) fn new(inner: Directory, before_listing: F) -> Self {
        Self { inner, before_listing }
    }
}

impl<F> fmt::Debug for Hooked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<F: Fn(&str) + Send + Sync> Store for Hooked<F> {
    fn check(&self) -> Result<(), StoreError> {
        self.inner.check()
    }

    fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        (self.before_listing)(folder);
        self.inner.list(folder)
    }

    fn walk(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        (self.before_listing)(prefix);
        self.inner.walk(prefix)
    }

    fn find(&self, key: &str) -> Result<Option<Object>, StoreError> {
        self.inner.find(key)
    }

    fn read(&self, object: &Object, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        self.inner.read(object, offset)
    }

    fn put(
        &self,
        key: &str,
        options: PutOptions,
        write: WriteBody<'_>,
    ) -> Result<WriteOutcome, StoreError> {
        self.inner.put(key, options, write)
    }

    fn remove(&self, key: &str, version: u64) -> Result<WriteOutcome, StoreError> {
        self.inner.remove(key, version)
    }

    fn name(&self, key: &str) -> String {
        self.inner.name(key)
    }
}
