//! Output directories of commands: a run writes its outputs elsewhere, and moves them into place
//! together when all are complete.
//!
//! ```text
//! results/              the outputs of the previous run
//!   .velodrome.json     their kind and their names
//! .results.velodrome/   the staging directory: exists while a run writes to `results`
//!   lock                locked by the run
//!   new/                the outputs of the run
//!   old/                the previous outputs, on file systems that cannot exchange two directories
//! ```
//!
//! A run that ends with an error or is killed leaves the previous outputs as they were. What it leaves of
//! its own is in the staging directory, which the next run that is accepted removes. Only one run at a time
//! can use a directory.
//!
//! A command accepts a directory that is absent or empty, or that has only outputs of its kind. It never
//! removes or overwrites other files.

mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod manifest;
mod place;
mod staging;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub use error::OutputError;
pub use manifest::Kind;

use manifest::Manifest;
use place::Existing;
use staging::Staging;

/// Whether the directory at `path` has the outputs of a command.
///
/// # Errors
/// If its manifest cannot be read.
pub fn has_outputs(path: &Path) -> io::Result<bool> {
    Ok(Manifest::read(path)?.is_some())
}

/// The outputs of a run that is not complete yet. Dropping them discards them.
#[derive(Debug)]
pub struct OutputDirectory {
    /// The directory as the user gave it.
    out: PathBuf,
    /// The same directory, without symbolic links.
    place: PathBuf,
    kind: Kind,
    staging: Staging,
}

impl OutputDirectory {
    /// Starts outputs of `kind` for the directory `out`. Its files do not change until
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// If `out` is not absent, empty, or a directory with only outputs of this kind, if another run uses
    /// it, or if it cannot be replaced.
    pub fn create(out: &Path, kind: Kind) -> Result<Self, OutputError> {
        let place = place::resolve(out).map_err(OutputError::io(out))?;
        place::check_current_directory(out, &place)?;
        let mut staging = Staging::lock(out, &place)?;
        let existing = place::check(out, &place, kind)?;
        staging.create_new(&place).map_err(OutputError::io(staging.new_outputs()))?;
        if existing == Existing::Empty {
            // A mount point cannot be replaced. An attempt shows it now instead of after the run.
            place::replace_empty(staging.new_outputs(), &place)
                .map_err(|reason| OutputError::Irreplaceable { out: out.to_owned(), reason })?;
            staging.create_new(&place).map_err(OutputError::io(staging.new_outputs()))?;
        }
        Ok(Self { out: out.to_owned(), place, kind, staging })
    }

    /// The directory to write the outputs to.
    pub fn path(&self) -> &Path {
        self.staging.new_outputs()
    }

    /// Makes the outputs durable, moves them into place in one step, and removes the previous ones.
    ///
    /// # Errors
    /// If the disk fails. If the directory was changed during the run, the outputs remain in the staging
    /// directory, and the error names it.
    pub fn commit(mut self) -> Result<(), OutputError> {
        Manifest::create(self.path(), self.kind).map_err(OutputError::io(self.path()))?;
        let (new, old) = (self.staging.new_outputs(), self.staging.old_outputs());
        let moved = place::check(&self.out, &self.place, self.kind).and_then(|existing| {
            let moved = match existing {
                Existing::Nothing | Existing::Empty => place::replace_empty(new, &self.place),
                Existing::Outputs => place::replace_outputs(new, &self.place, old),
            };
            moved.map_err(OutputError::io(&self.out))
        });
        moved.map_err(|reason| {
            let outputs = self.staging.keep();
            OutputError::Kept { outputs, reason: Box::new(reason) }
        })
    }
}
