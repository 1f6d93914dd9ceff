//! Raises the limit of open files. Each connection is an open file.

use tracing::warn;

/// Open files other than connections: segments of the log, objects being written, the checkpoint, timers
/// and threads of the runtime. A service has a few dozen of them; this leaves room.
const OWN_FILES: u64 = 1_000;

/// Raises the process's limit of open files to the maximum that the system allows. Warns if it is too
/// low for `connections`.
///
/// Raising it is safe: the usual default of 1,024 only protects programs that use `select`, which this
/// one does not.
pub(super) fn raise_limit(connections: usize) {
    let needed = connections as u64 + OWN_FILES;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) if allowed < needed => warn!(
            allowed,
            needed,
            "too few files may be open for all connections; raise the hard limit (ulimit -Hn)"
        ),
        Ok(_) => (),
        Err(error) => warn!(%error, "cannot raise the limit of open files"),
    }
}
