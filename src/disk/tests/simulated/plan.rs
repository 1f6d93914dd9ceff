//! The planned faults of a simulated disk.

use std::io::{self, ErrorKind};
use std::path::Path;

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Write,
    SetLength,
    Sync,
    Rename,
    Remove,
    SyncDirectory,
}

/// An operation that fails once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) operation: Operation,
    /// A part of the path, for example an extension.
    pub(crate) path: &'static str,
    pub(crate) error: ErrorKind,
}

/// The planned faults.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The number of operations that still succeed before the crash.
    pub(crate) crash_after: Option<u64>,
    /// Whether the process has crashed: no operation has an effect.
    pub(crate) has_crashed: bool,
    /// The bytes that fit on the disk. `None` without a limit.
    pub(crate) free_bytes: Option<usize>,
    pub(crate) failures: Vec<Failure>,
    /// Writes to files with this part of a path wait.
    pub(crate) slow: Option<&'static str>,
    /// The writes that wait.
    pub(crate) waiting: usize,
    /// The operations so far.
    pub(crate) operations: u64,
    /// Whether to print each operation.
    pub(crate) prints: bool,
}

impl Plan {
    /// Removes all faults.
    pub(super) fn reset(&mut self) {
        *self = Self { operations: self.operations, prints: self.prints, ..Self::default() };
    }

    /// Whether a write to `path` has to wait.
    pub(super) fn is_slow(&self, path: &Path) -> bool {
        self.slow.is_some_and(|part| path.to_string_lossy().contains(part))
    }

    /// Checks whether an operation succeeds.
    pub(super) fn check(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        self.count(operation, path)?;
        match self.free_bytes {
            Some(0) if operation == Operation::Create => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// Checks a write of `bytes`. Returns how many of them are written, and the result.
    pub(super) fn check_write(&mut self, path: &Path, bytes: usize) -> (usize, io::Result<()>) {
        let had_crashed = self.has_crashed;
        if let Err(error) = self.count(Operation::Write, path) {
            // The crash can interrupt the write, and a failed write can leave a part.
            return (if had_crashed { 0 } else { bytes / 2 }, Err(error));
        }
        match &mut self.free_bytes {
            None => (bytes, Ok(())),
            Some(0) => (0, Err(ErrorKind::StorageFull.into())),
            Some(free) => {
                let written = bytes.min(*free);
                *free -= written;
                (written, Ok(()))
            }
        }
    }

    fn count(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        if self.has_crashed {
            return Err(io::Error::other("the simulated process has crashed"));
        }
        self.operations += 1;
        if self.prints {
            eprintln!("disk: {} {operation:?} {}", self.operations, path.display());
        }
        if let Some(left) = &mut self.crash_after {
            self.has_crashed = *left == 0;
            *left = left.saturating_sub(1);
            if self.has_crashed {
                return Err(io::Error::other("the simulated process crashes"));
            }
        }
        let path = path.to_string_lossy();
        let fails =
            |failure: &Failure| failure.operation == operation && path.contains(failure.path);
        match self.failures.iter().position(fails) {
            Some(at) => Err(self.failures.remove(at).error.into()),
            None => Ok(()),
        }
    }
}
