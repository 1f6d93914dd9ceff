//! The files of a log, to be read: objects of the archive, and segments that are none yet.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Archived, NewestFirst};
use super::clock::MS_MAX;
use super::error::LogError;
use super::scan::WholeLines;
use super::segment;
use crate::ingest::inputs::Input;
use crate::ingest::objects;
use crate::store::Store;

/// Where the events of a log are.
#[derive(Clone, Debug)]
pub struct Files {
    pub(super) log: PathBuf,
    pub(super) archive: Arc<dyn Store>,
}

impl Files {
    /// Inputs that hold every event with an arrival of `from_ms` or later, and some earlier ones, in
    /// the order of the log: gzip objects of the archive, then plain segments.
    ///
    /// Of a log that is written to, lines behind those that were delivered may be there in part, and a segment
    /// may be gone when it is read, as it has become an object: then all can be asked for again.
    ///
    /// # Errors
    /// An archive that cannot be listed, a segment that cannot be read.
    pub fn inputs_from(&self, from_ms: u64) -> Result<Vec<Input>, LogError> {
        // Before the archive is: a segment is removed once it is an object.
        let listed = segment::list(&self.log).map_err(LogError::disk("list", &self.log))?;
        let oldest = listed.first().map_or(u64::MAX, |(sequence, _)| *sequence);
        let mut segments = Vec::new();
        for (_, path) in listed.iter().rev() {
            let Some(first_ms) = first_arrival(path)? else { continue };
            segments.push(Input::plain(path).map_err(LogError::disk("read", path))?);
            if first_ms < from_ms {
                segments.reverse();
                return Ok(segments);
            }
        }
        let from = objects::time(from_ms.min(MS_MAX));
        for archived in NewestFirst::new(&*self.archive) {
            let Archived { object, time, sequence } = archived?;
            if sequence >= oldest {
                continue;
            }
            segments.push(Input::gzip(&self.archive, object));
            // The objects before it end where it begins.
            if time < from {
                break;
            }
        }
        segments.reverse();
        Ok(segments)
    }
}

/// The arrival of a segment's first event; none where no line of it is whole yet.
fn first_arrival(path: &Path) -> Result<Option<u64>, LogError> {
    let first =
        File::open(path).and_then(|file| WholeLines::new(BufReader::new(file)).next().transpose());
    Ok(first.map_err(LogError::disk("read", path))?.map(|line| line.arrival_ms))
}
