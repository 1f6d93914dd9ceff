//! Which positions the archive of a node covers.
//!
//! A node whose disk is lost gets its log from its archive. So the positions that other nodes know must not cover
//! records that are only in its log.

use std::sync::{Mutex, PoisonError};

use super::positions::ShardPositions;
use crate::log::{LogError, LogFiles};

/// Finds out when the archive has all records up to some positions.
#[derive(Debug)]
pub(super) struct Archiving {
    files: LogFiles,
    pending: Mutex<Option<Pending>>,
}

/// Positions that the archive does not cover yet.
#[derive(Debug)]
struct Pending {
    positions: ShardPositions,
    /// The segment that has the last records of the positions, or a later one.
    segment: u64,
}

impl Archiving {
    pub(super) fn new(files: LogFiles) -> Self {
        Self { files, pending: Mutex::default() }
    }

    /// The newest positions that the archive is known to cover since the last call, if there are any. `durable` are
    /// those that the log covers. Reads the directory of the log.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(super) fn check(
        &self,
        durable: impl FnOnce() -> ShardPositions,
    ) -> Result<Option<ShardPositions>, LogError> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.is_none() {
            // Before the listing, so that their records are in the segments that it has, or archived already.
            let positions = durable();
            let segment = self.files.unsealed()?.map_or(0, |segments| *segments.end());
            *pending = Some(Pending { positions, segment });
        }
        let oldest = self.files.unsealed()?.map_or(u64::MAX, |segments| *segments.start());
        let covered = pending.take_if(|pending| pending.segment < oldest);
        Ok(covered.map(|pending| pending.positions))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::super::positions::Position;
    use super::super::start::Start;
    use super::*;
    use crate::log::{self, Clock};
    use crate::store::Directory;

    fn positions(sequence: &str) -> ShardPositions {
        let next = Start::After(sequence.to_owned());
        [("a".to_owned(), Position { next, until_ms: None, is_finished: false })].into()
    }

    #[test]
    fn positions_are_archived_when_no_segment_of_their_time_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Arc::new(Directory::new(dir.path().join("archive")));
        let opened = log::open(dir.path(), archive, Clock::system(), false).unwrap();
        let archiving = Archiving::new(opened.files());
        let check = |sequence| archiving.check(|| positions(sequence)).unwrap();
        assert_eq!(check("1"), Some(positions("1")), "there is no segment");
        let segment = |number: u64| dir.path().join("log").join(format!("{number:020}.jsonl"));
        fs::create_dir(dir.path().join("log")).unwrap();
        fs::write(segment(4), "").unwrap();
        fs::write(segment(5), "").unwrap();
        assert_eq!(check("2"), None);
        fs::write(segment(6), "").unwrap();
        fs::remove_file(segment(4)).unwrap();
        assert_eq!(check("3"), None, "the newest segment at the time is still there");
        fs::remove_file(segment(5)).unwrap();
        assert_eq!(check("3"), Some(positions("2")));
        assert_eq!(check("4"), None);
    }
}
