//! A walk over all objects of a store that lists folder by folder.

use super::interface::{Listing, Object, Store, StoreError};

/// The objects below a prefix, depth first, which is the order of their keys.
pub(super) struct Walk<'a> {
    store: &'a dyn Store,
    prefix: String,
    /// The entries that are still to be visited. The next one to visit is at the end.
    stack: Vec<Entry>,
}

/// A child of a folder that was listed.
enum Entry {
    Folder(String),
    Object(Object),
}

impl Entry {
    fn key(&self) -> &str {
        match self {
            Self::Folder(key) | Self::Object(Object { key, .. }) => key,
        }
    }
}

impl<'a> Walk<'a> {
    /// A walk over the objects of `store` whose keys begin with `prefix`.
    pub(super) fn new(store: &'a dyn Store, prefix: &str) -> Self {
        let folder = prefix.rfind('/').and_then(|at| prefix.get(..=at)).unwrap_or_default();
        let stack = vec![Entry::Folder(folder.to_owned())];
        Self { store, prefix: prefix.to_owned(), stack }
    }

    /// Lists a folder and pushes those of its children that can lead to objects with the prefix.
    fn enter(&mut self, folder: &str) -> Result<(), StoreError> {
        let Listing { folders, objects } = self.store.list(folder)?;
        let folders = folders.into_iter().map(Entry::Folder);
        let mut children: Vec<_> = folders.chain(objects.into_iter().map(Entry::Object)).collect();
        // Either the key begins with the prefix, or the prefix continues below this folder.
        children.retain(|entry| {
            entry.key().starts_with(&self.prefix) || self.prefix.starts_with(entry.key())
        });
        children.sort_by(|a, b| b.key().cmp(a.key()));
        self.stack.append(&mut children);
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Object, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.stack.pop()? {
                Entry::Object(object) => return Some(Ok(object)),
                Entry::Folder(folder) => {
                    if let Err(error) = self.enter(&folder) {
                        self.stack.clear();
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}
