//! Checks the data directory of a service and its archive, without changing anything.
//!
//! A service may be running. The check takes no lock, and does not report as damage what the service is
//! just writing.

mod error;
mod files;
mod place;
mod progress;
mod report;

use std::io::Write;
use std::sync::Arc;

pub use error::CheckError;
pub use place::{DataPlace, default_archive, open_archive};
pub use progress::progress_bar;
pub use report::Outcome;

pub use self::files::inspect;
use self::files::{checkpoint, dead_letters, small_files};
use self::report::Report;
use crate::backup_manifest::BackupManifest;
use crate::ingest::object_names::{FAILED_FOLDER, parse_segment_key};
use crate::lazy_aws::LazyAws;
use crate::log::{CheckedLog, LogCheck};
use crate::store::{Location, Object, Store};

/// Checks what is at `location`: a data directory with its archive, or an archive alone. `archive` is the
/// archive's location if it is not in the data directory. Prints a line for each kind of files, and one for
/// each finding.
///
/// # Errors
/// When there is nothing to check, and when it cannot be listed.
pub fn run(
    location: &Location,
    archive: Option<Location>,
    lazy_aws: &LazyAws,
    out: &mut dyn Write,
) -> Result<Outcome, CheckError> {
    let Some(data) = DataPlace::find(location, lazy_aws)? else {
        let archive = open_archive(location, lazy_aws)?;
        let is_own = |object: &Object| {
            parse_segment_key(&object.key).is_some() || object.key.starts_with(FAILED_FOLDER)
        };
        if !archive.walk("")?.iter().any(is_own) {
            return Err(CheckError::Nothing(location.to_string()));
        }
        let mut report = Report::new(out);
        check_log(
            &LogCheck { data: None, archive: &*archive, covered: None },
            |_| true,
            &mut report,
        )?;
        dead_letters(&*archive, |_| true, &mut report)?;
        return Ok(report.finish()?);
    };
    let manifest = BackupManifest::read(&*data.store)?;
    let elsewhere = manifest.as_ref().and_then(|manifest| manifest.archive.as_deref());
    let elsewhere = elsewhere.map(str::parse).transpose()?;
    let archive = archive.or(elsewhere).unwrap_or_else(|| default_archive(location));
    let mut report = Report::new(out);
    if manifest.is_some_and(|manifest| !manifest.is_complete) {
        report.finding(format_args!(
            "'{location}' is an incomplete backup; run velodrome backup again to complete it"
        ))?;
    }
    check_data(&data, &open_archive(&archive, lazy_aws)?, |_| true, report)
}

/// Checks the data directory `data` and its `archive`. Of the archive it reads the objects for which
/// `is_read` returns true; the others must exist.
///
/// # Errors
/// When they cannot be listed.
pub fn verify(
    data: &DataPlace,
    archive: &Arc<dyn Store>,
    is_read: impl Fn(&Object) -> bool,
    out: &mut dyn Write,
) -> Result<Outcome, CheckError> {
    check_data(data, archive, is_read, Report::new(out))
}

fn check_data(
    data: &DataPlace,
    archive: &Arc<dyn Store>,
    is_read: impl Fn(&Object) -> bool,
    mut report: Report<'_>,
) -> Result<Outcome, CheckError> {
    if data.is_served() {
        let name = data.store.name("");
        report.kind(
            "service",
            format_args!("running in '{name}'; what it is writing is not checked"),
        )?;
    }
    let covered = checkpoint(data, &mut report)?;
    let store = &*data.store;
    check_log(
        &LogCheck { data: Some(store), archive: &**archive, covered },
        &is_read,
        &mut report,
    )?;
    small_files(store, &mut report)?;
    dead_letters(store, |_| true, &mut report)?;
    dead_letters(&**archive, is_read, &mut report)?;
    Ok(report.finish()?)
}

fn check_log(
    check: &LogCheck<'_>,
    is_read: impl Fn(&Object) -> bool,
    report: &mut Report<'_>,
) -> Result<(), CheckError> {
    let progress = progress_bar("checked");
    let checked = check.run(is_read, &progress)?;
    progress.finish_and_clear();
    let CheckedLog { segments, segment_events, without_checksums, .. } = checked;
    if check.data.is_some() {
        let without = match without_checksums {
            0 => String::new(),
            count => format!(", {count} of them without checksums"),
        };
        report.kind(
            "log",
            format_args!("{segments} segments with {segment_events} events{without}"),
        )?;
    }
    let CheckedLog { objects, objects_read, object_events, oldest, .. } = checked;
    let read = match objects_read {
        read if read == objects => String::new(),
        read => format!(", {read} of them read"),
    };
    let from = match oldest {
        None | Some(1) => String::new(),
        Some(oldest) => format!(", from segment {oldest} on"),
    };
    report.kind(
        "archive",
        format_args!("{objects} objects with {object_events} events{read}{from}"),
    )?;
    checked.findings.iter().try_for_each(|finding| report.finding(finding))?;
    checked.unread.iter().try_for_each(|error| report.unread(error))?;
    Ok(())
}
