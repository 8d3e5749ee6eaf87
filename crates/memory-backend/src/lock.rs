//! One way to take a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, poisoned or not: what is guarded is never left half changed, and a test that panicked has failed
/// already.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
