//! How many files the process may have open: each connection is one.

use tracing::warn;

/// Files that are open beside connections: segments of the log, objects that are being written, the
/// checkpoint, timers and threads of the runtime. A few dozen, with room.
const OWN_FILES: u64 = 1_000;

/// Lets the process open as many files as the system allows it, and warns where these are too few for
/// so many connections. What a shell gives to begin with, 1,024, is for programs that use `select`.
pub(super) fn allow(connections: usize) {
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
