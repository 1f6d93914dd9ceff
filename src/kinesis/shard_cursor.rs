//! Where the slices of a shard resume, so that each call for the shard is made once.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::shard_reader::ShardReader;

/// What this process knows about the unread records of a shard.
///
/// Slices are read in order, but several workers and processes read them at a time. So a slice may find
/// out nothing here, and then searches for its own beginning.
#[derive(Debug, Default)]
pub(super) struct ShardCursor(Mutex<Option<Resume>>);

/// Where reading resumes after a slice.
#[derive(Debug)]
pub(super) struct Resume {
    /// The first slice that was not read.
    pub(super) slice: u64,
    /// All records from that slice on arrived at this time or later.
    pub(super) next_ms: u64,
    /// A reader before the first of these records; none if there are none.
    pub(super) reader: Option<ShardReader>,
}

/// Where a slice begins.
pub(super) enum SliceStart {
    /// The slice has no records.
    Empty,
    /// At the position of this reader.
    Resume(ShardReader),
    /// At an unknown position.
    Unknown,
}

impl ShardCursor {
    /// Where the slice `slice`, with the arrivals in `span_ms`, begins.
    pub(super) fn start(&self, slice: u64, span_ms: &Range<u64>) -> SliceStart {
        let mut resume = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = resume.take_if(|known| known.slice <= slice) else {
            return SliceStart::Unknown;
        };
        match known.reader {
            Some(reader) if span_ms.contains(&known.next_ms) => SliceStart::Resume(reader),
            // Other slices in between have records.
            Some(_) if known.next_ms < span_ms.start => SliceStart::Unknown,
            reader => {
                *resume = Some(Resume { reader, ..known });
                SliceStart::Empty
            }
        }
    }

    /// Stores where reading resumes, unless a later slice was read already.
    pub(super) fn store(&self, resume: Resume) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.slice <= resume.slice) {
            *known = Some(resume);
        }
    }
}
