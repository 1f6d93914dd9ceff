//! The limit of open files of the process, and how a service distributes it. Each connection and each
//! download of a history object is an open file.

use std::fs;

use thiserror::Error;

/// Open files other than connections and downloads: segments of the log, objects being written, the
/// checkpoint, connections to a bucket, timers and threads of the runtime.
const OWN_FILES_MAX: usize = 1_000;

/// The fewest of these files: what a service without a bucket has open when it is busy.
const OWN_FILES_MIN: usize = 48;

/// The fewest connections with which a service starts.
const CONNECTIONS_MIN: usize = 16;

/// A limit of open files that is too low.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{needed} files must be open at a time, and the limit is {limit}; raise it with ulimit -n {needed}"
)]
pub struct TooFewFiles {
    needed: usize,
    limit: usize,
}

/// The files that a service may have open at a time, apart from its own ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileBudget {
    /// Connections of clients.
    pub connections: usize,
    /// History objects that are being downloaded.
    pub downloads: usize,
}

/// Raises the process's limit of open files to the maximum that the system allows.
///
/// Raising it is safe: the usual default of 1,024 only protects programs that use `select`, which this
/// one does not. If the system denies it, the present limit applies.
pub fn raise_limit() {
    rlimit::increase_nofile_limit(u64::MAX).map(drop).unwrap_or_default();
}

/// Checks that `files` files may be open at a time, besides some others of the process.
///
/// # Errors
/// When the limit is too low.
pub fn ensure(files: usize) -> Result<(), TooFewFiles> {
    let (needed, limit) = (files + OWN_FILES_MIN, limit());
    if needed > limit { Err(TooFewFiles { needed, limit }) } else { Ok(()) }
}

impl FileBudget {
    /// Distributes the limit of open files, for at most `connections_max` connections. Warns if they are
    /// fewer.
    ///
    /// # Errors
    /// When the limit is too low for a service.
    pub fn new(connections_max: usize) -> Result<Self, TooFewFiles> {
        ensure(CONNECTIONS_MIN)?;
        let limit = limit();
        let budget = Self::of(limit, connections_max);
        if budget.connections < connections_max {
            let connections = budget.connections;
            tracing::warn!(
                limit,
                connections,
                "too few files may be open for {connections_max} connections; raise the hard limit \
                 (ulimit -Hn)"
            );
        }
        Ok(budget)
    }

    /// The budget for a limit of at least 64 files. Ten connections share one download.
    fn of(limit: usize, connections_max: usize) -> Self {
        let own = (limit / 2).clamp(OWN_FILES_MIN, OWN_FILES_MAX);
        let files = limit.saturating_sub(own);
        let connections = (files * 10 / 11).min(connections_max);
        Self { connections, downloads: files - connections }
    }
}

/// The number of files that the process has open now; 0 on systems without `/dev/fd`.
pub fn count() -> usize {
    // The directory itself is open while it is read.
    fs::read_dir("/dev/fd").map_or(0, |files| files.count().saturating_sub(1))
}

/// The limit of open files of the process.
pub fn limit() -> usize {
    let soft = rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_within_the_limit_and_has_all_connections_from_12_000_on() {
        let budget = |limit| {
            let FileBudget { connections, downloads } = FileBudget::of(limit, 10_000);
            assert!(connections + downloads + OWN_FILES_MIN <= limit, "{limit}");
            (connections, downloads)
        };
        assert_eq!(budget(64), (14, 2));
        assert_eq!(budget(128), (58, 6));
        assert_eq!(budget(1_024), (465, 47));
        assert_eq!(budget(12_000), (10_000, 1_000));
        assert_eq!(budget(20_000), (10_000, 9_000));
        assert_eq!(budget(usize::MAX / 16).0, 10_000);
    }
}
