//! Locks mutexes.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also if a holder has panicked.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
