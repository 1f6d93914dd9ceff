//! Replays the files of a log that is being written. A segment can be sealed, and thereby removed, after it was listed.

use std::io::ErrorKind;

use velodrome_dataflows::EventTime;

use super::rebuild_error::RebuildError;
use crate::engine::{RecoverError, RecoveryCounts};
use crate::log::LogError;

/// Attempts without progress after which a missing file is an error. A list is milliseconds old when its first file is
/// opened, and segments are sealed minutes apart.
const ATTEMPTS_MAX: u32 = 5;

/// Calls `replay` with the time from which on events are missing, `from` at first. Calls it again, to list the files
/// again, if it fails because one of them was removed.
///
/// # Errors
/// Those of `replay`.
pub(super) fn replay_sealed(
    mut from: EventTime,
    recovered: &mut RecoveryCounts,
    mut replay: impl FnMut(EventTime, &mut RecoveryCounts) -> Result<(), RebuildError>,
) -> Result<(), RebuildError> {
    let mut attempts = 0;
    loop {
        match replay(from, recovered) {
            Err(error) if is_missing_file(&error) && attempts < ATTEMPTS_MAX => {
                tracing::debug!(%error, "lists the log again");
                attempts += 1;
                if recovered.clock > from {
                    (from, attempts) = (recovered.clock, 0);
                }
            }
            replayed => return replayed,
        }
    }
}

/// Whether a file of the log was removed after it was listed.
fn is_missing_file(error: &RebuildError) -> bool {
    let (RebuildError::Recover(RecoverError::Unreadable(_, reason))
    | RebuildError::Log(LogError::Disk { reason, .. })) = error
    else {
        return false;
    };
    reason.kind() == ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::slice;

    use tokio::runtime::Runtime;
    use velodrome_dataflows::Rules;

    use super::*;
    use crate::engine::{Events, RunningEngine, recover};
    use crate::ingest::inputs::Input;

    /// A log with views, each a minute later.
    fn log(first: u64, count: u64) -> String {
        let line = |minute: u64| {
            let clock = 1_620_240_000_000 + 60_000 * minute;
            format!(
                r#"{{"event":"view","uuid":"{minute}","projectId":"p","deviceTimestamp":1,"durationMs":1,"arrivalTimestamp":{clock}}}"#
            ) + "\n"
        };
        (first..first + count).map(line).collect()
    }

    #[test]
    fn a_segment_that_is_sealed_after_it_was_listed_is_read_from_the_archive() {
        let directory = tempfile::tempdir().unwrap();
        let [segment, next, object] =
            ["1", "2", "archived"].map(|name| directory.path().join(name));
        fs::write(&segment, log(0, 20)).unwrap();
        fs::write(&next, log(20, 20)).unwrap();
        let engine = RunningEngine::start(1, Rules::default()).unwrap();
        let runtime = Runtime::new().unwrap();
        let (mut recovered, mut lists) = (RecoveryCounts::default(), 0);
        let input = |path| Input::plain(path).unwrap();
        let mut replay = |from, recovered: &mut RecoveryCounts| {
            lists += 1;
            let first = if lists == 1 { &segment } else { &object };
            let inputs = vec![input(first), input(&next)];
            if lists == 1 {
                fs::rename(&segment, &object).unwrap();
            }
            let (logs, handle) = (slice::from_ref(&inputs), runtime.handle());
            let ignore = |_: &Events| ();
            Ok(recover(logs, from..u64::MAX, &engine.engine, handle, recovered, ignore, |_| true)?)
        };
        replay_sealed(0, &mut recovered, &mut replay).unwrap();
        assert_eq!((recovered.events, lists), (40, 2));
    }

    #[test]
    fn a_file_that_is_missing_each_time_is_an_error_and_so_is_another_failure() {
        for (reason, expected) in [(ErrorKind::NotFound, 6), (ErrorKind::PermissionDenied, 1)] {
            let mut attempts = 0;
            let failed = replay_sealed(0, &mut RecoveryCounts::default(), |_, _| {
                attempts += 1;
                Err(RecoverError::Unreadable("1".to_owned(), reason.into()).into())
            });
            assert!(failed.is_err());
            assert_eq!(attempts, expected);
        }
    }
}
