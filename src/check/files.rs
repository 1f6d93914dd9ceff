//! Checks the files of a data directory other than its log.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde::de::IgnoredAny;

use super::error::CheckError;
use super::place::DataPlace;
use super::report::Report;
use crate::bans::{self, BANS};
use crate::checkpoint::{self, CheckpointError, Inspected};
use crate::dead_letters::SPOOL;
use crate::ingest::object_names::FAILED_FOLDER;
use crate::kinesis::{self, POSITIONS};
use crate::log::LogPosition;
use crate::rules;
use crate::service::{CHECKPOINT, saved_rules};
use crate::store::{Object, Store};

/// The kinds, in the report.
const CHECKPOINT_KIND: &str = "checkpoint";
const DEAD_LETTERS_KIND: &str = "dead letters";

/// More than the bytes of any dead letter: one has at most 4 KiB of the rejected line, escaped.
const LETTER_BYTES_MAX: u64 = 64 << 10;

/// Checks the checkpoint, unless a service has it open. Returns the part of the log that it covers.
pub(super) fn checkpoint(
    data: &DataPlace,
    report: &mut Report<'_>,
) -> Result<Option<LogPosition>, CheckError> {
    let Some(object) = data.store.find(CHECKPOINT)? else {
        report.kind(
            CHECKPOINT_KIND,
            "none; a service computes its state from the log and the archive",
        )?;
        return Ok(None);
    };
    let inspected = inspect(data, &object);
    // A service that has started since then may have written the file.
    if data.is_served() {
        report.kind(CHECKPOINT_KIND, "not checked, because the service has it open")?;
        return Ok(None);
    }
    match inspected {
        Ok(Inspected { complete, covered }) => {
            let time = complete.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
            let complete = time.map_or("the start".to_owned(), |time| {
                humantime::format_rfc3339_millis(time).to_string()
            });
            let covers = covered.map_or(String::new(), |covered| {
                format!(", covers the log up to segment {}", covered.sequence)
            });
            report.kind(CHECKPOINT_KIND, format_args!("complete up to {complete}{covers}"))?;
            Ok(covered)
        }
        Err(error @ CheckpointError::Io { .. }) => {
            report.kind(CHECKPOINT_KIND, "not checked")?;
            report.unread(error)?;
            Ok(None)
        }
        Err(error) => {
            report.kind(CHECKPOINT_KIND, "damaged")?;
            report.finding(error)?;
            Ok(None)
        }
    }
}

/// Inspects the checkpoint `object` of `data`.
///
/// # Errors
/// When it is damaged or cannot be read.
pub fn inspect(data: &DataPlace, object: &Object) -> Result<Inspected, CheckpointError> {
    let path = data.store.name(&object.key);
    let path = Path::new(&path);
    let failed = |reason| CheckpointError::Io { path: path.to_owned(), reason };
    checkpoint::inspect(data.open(object).map_err(failed)?, path)
}

/// Checks the bans, the rules, and the positions in a stream.
pub(super) fn small_files(data: &dyn Store, report: &mut Report<'_>) -> Result<(), CheckError> {
    small_file(data, "bans", BANS, report, |path, text| {
        bans::count(path, text).map(|racers| format!("{racers} racers"))
    })?;
    small_file(data, "rules", saved_rules::FILE, report, |path, text| {
        saved_rules::parse(path, text).map(|rules| format!("{:.12}", rules::id(&rules)))
    })?;
    small_file(data, "positions", POSITIONS, report, |path, text| {
        let parsed = kinesis::check_positions(text).map(|()| "present".to_owned());
        parsed.map_err(|reason| {
            let path = path.display();
            format!(
                "'{path}' is damaged: {reason}; restore it from a backup, or remove it to read the stream \
                 from where the log ends"
            )
        })
    })
}

/// Checks a file that fits into memory. `describe` parses it.
fn small_file<E: Display>(
    data: &dyn Store,
    kind: &str,
    key: &str,
    report: &mut Report<'_>,
    describe: impl Fn(&Path, &[u8]) -> Result<String, E>,
) -> Result<(), CheckError> {
    let Some(text) = data.get(key)? else {
        report.kind(kind, "none")?;
        return Ok(());
    };
    match describe(Path::new(&data.name(key)), &text) {
        Ok(description) => report.kind(kind, description)?,
        Err(error) => {
            report.kind(kind, "damaged")?;
            report.finding(error)?;
        }
    }
    Ok(())
}

/// Checks the dead letters in `store`: the spool of a data directory, or those in an archive for which
/// `is_read` returns true.
pub(super) fn dead_letters(
    store: &dyn Store,
    is_read: impl Fn(&Object) -> bool,
    report: &mut Report<'_>,
) -> Result<(), CheckError> {
    let spooled = store.walk(&format!("{SPOOL}/"))?;
    let mut archived = store.walk(&format!("{FAILED_FOLDER}/"))?;
    archived.retain(is_read);
    let (mut count, mut damaged, mut unread) = (0, Vec::new(), Vec::new());
    // The end of a file of the spool may be incomplete: it is being written, or the service crashed.
    let files =
        spooled.iter().map(|file| (file, true)).chain(archived.iter().map(|file| (file, false)));
    for (file, may_be_torn) in files {
        let name = store.name(&file.key);
        match count_letters(store, file, may_be_torn) {
            Ok((letters, 0)) => count += letters,
            Ok((letters, lines)) => {
                count += letters;
                damaged.push(format!(
                    "'{name}' has {lines} damaged lines; restore it from a backup, or remove it"
                ));
            }
            // It has been uploaded since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => unread.push(format!("cannot read '{name}': {error}")),
        }
    }
    let files = spooled.len() + archived.len();
    let place = store.name("");
    report
        .kind(DEAD_LETTERS_KIND, format_args!("{files} files with {count} lines in '{place}'"))?;
    damaged.into_iter().try_for_each(|finding| report.finding(finding))?;
    unread.into_iter().try_for_each(|error| report.unread(error))?;
    Ok(())
}

/// The dead letters in a file, and its lines that are none. A longer line than any letter counts as several.
fn count_letters(store: &dyn Store, file: &Object, may_be_torn: bool) -> io::Result<(u64, u64)> {
    let mut reader = BufReader::new(store.read(file, 0).map_err(|error| error.reason)?);
    let (mut letters, mut damaged, mut line) = (0, 0, Vec::new());
    while reader.by_ref().take(LETTER_BYTES_MAX).read_until(b'\n', &mut line)? > 0 {
        let is_complete = line.ends_with(b"\n") || line.len() as u64 == LETTER_BYTES_MAX;
        match is_complete && serde_json::from_slice::<IgnoredAny>(&line).is_ok() {
            true => letters += 1,
            false => damaged += u64::from(is_complete || !may_be_torn),
        }
        line.clear();
    }
    Ok((letters, damaged))
}
