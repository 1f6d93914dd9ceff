//! The files of a log as inputs: objects of the archive, and segments that are not sealed yet.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{ArchivedSegment, NewestSegments};
use super::clock::MS_MAX;
use super::error::LogError;
use super::scan::CompleteLines;
use super::segment;
use crate::ingest::inputs::Input;
use crate::ingest::object_names;
use crate::store::Store;

/// Where a log's files are: the directory of its segments, and its archive.
#[derive(Clone, Debug)]
pub struct LogFiles {
    pub(super) log: PathBuf,
    pub(super) archive: Arc<dyn Store>,
}

impl LogFiles {
    /// The inputs with all events that arrived at `from_ms` or later, and some earlier ones, in the
    /// order of the log: gzip objects of the archive, then plain segments.
    ///
    /// While the log is being written, the last lines may be incomplete, and a segment may be sealed and
    /// removed before it is read: in that case, call this again.
    ///
    /// # Errors
    /// When the archive cannot be listed, and when a segment cannot be read.
    pub fn inputs_from(&self, from_ms: u64) -> Result<Vec<Input>, LogError> {
        // List the segments before the archive: sealing removes a segment only after its object exists,
        // so none is missed.
        let listed = segment::list(&self.log).map_err(LogError::disk("list", &self.log))?;
        let oldest = listed.first().map_or(u64::MAX, |(sequence, _)| *sequence);
        let mut inputs = Vec::new();
        for (_, path) in listed.iter().rev() {
            let Some(first_ms) = first_arrival(path)? else { continue };
            inputs.push(Input::plain(path).map_err(LogError::disk("read", path))?);
            if first_ms < from_ms {
                inputs.reverse();
                return Ok(inputs);
            }
        }
        let from = object_names::format_time(from_ms.min(MS_MAX));
        for archived in NewestSegments::new(&*self.archive) {
            let ArchivedSegment { object, time, sequence } = archived?;
            if sequence >= oldest {
                continue;
            }
            inputs.push(Input::compressed(&self.archive, object));
            // All older objects have only earlier events.
            if time < from {
                break;
            }
        }
        inputs.reverse();
        Ok(inputs)
    }
}

/// The arrival of a segment's first event, or `None` if it has no complete line yet.
fn first_arrival(path: &Path) -> Result<Option<u64>, LogError> {
    let first = File::open(path)
        .and_then(|file| CompleteLines::new(BufReader::new(file)).next().transpose());
    Ok(first.map_err(LogError::disk("read", path))?.map(|line| line.arrival_ms))
}
