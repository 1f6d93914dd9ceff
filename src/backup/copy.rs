//! Copies files between stores.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use indicatif::ProgressBar;

use crate::store::{Condition, Object, PutOptions, Store, StoreError};

const OPTIONS: PutOptions = PutOptions {
    content_type: "application/octet-stream",
    condition: Condition::Always,
    acl: None,
};

/// The objects that are copied at a time. Each waits for the disk or the network most of the time.
const THREADS: usize = 4;

/// Copies the object `key` of `from` to `to`, durably. Returns whether it exists.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn copy(from: &dyn Store, to: &dyn Store, key: &str) -> Result<bool, StoreError> {
    let Some(object) = from.find(key)? else { return Ok(false) };
    let mut bytes = match from.read(&object, 0) {
        // It was removed after it was found.
        Err(error) if error.reason.kind() == ErrorKind::NotFound => return Ok(false),
        bytes => bytes?,
    };
    to.put(key, OPTIONS, &mut |out| io::copy(&mut bytes, out).map(drop))?;
    Ok(true)
}

/// Copies the objects of `from` that `to` lacks, or has with another size: objects of an archive do not
/// change. Returns the keys of the objects that it copied.
///
/// # Errors
/// When a store cannot be listed, and when an object cannot be read or written.
pub(super) fn copy_missing(
    from: &dyn Store,
    to: &dyn Store,
    progress: &ProgressBar,
) -> Result<HashSet<String>, StoreError> {
    let existing: HashMap<_, _> =
        to.walk("")?.into_iter().map(|object| (object.key, object.bytes)).collect();
    let is_missing = |object: &Object| existing.get(&object.key) != Some(&object.bytes);
    let missing: Vec<_> = from.walk("")?.into_iter().filter(is_missing).collect();
    progress.inc_length(missing.iter().map(|object| object.bytes).sum());
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(Ok(())));
    let copy_next = || {
        while let Some(Object { key, bytes, .. }) =
            missing.get(next.fetch_add(1, Ordering::Relaxed))
        {
            if let Err(error) = copy(from, to, key) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                next.store(missing.len(), Ordering::Relaxed);
            }
            progress.inc(*bytes);
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(copy_next))));
    failure.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    Ok(missing.into_iter().map(|object| object.key).collect())
}
