//! Writes the history object of a class.

use std::io;
use std::path::{Path, PathBuf};

use velodrome_dataflows::{Answer, ClassId, EventTime, Query, RacerId, Record};

use super::hashing_writer::HashingWriter;
use super::history_file::HistoryFile;
use super::objects::HistoryObjects;
use crate::atomic_file::{remove_if_exists, replace_file_unless};
use crate::disk::{self, File};
use crate::engine::Engine;
use crate::results::history;

/// Writes objects of the records of `engine` to `directory`.
#[derive(Clone)]
pub(super) struct ObjectWriter {
    pub(super) engine: Engine,
    pub(super) directory: PathBuf,
    /// The objects that are published so far.
    pub(super) objects: HistoryObjects,
}

/// The outcome of writing the object of a class.
pub(super) struct Written {
    /// The event time that the object reflects.
    pub(super) as_of: EventTime,
    /// `None` if the class has no records.
    pub(super) object: Option<HistoryFile>,
    /// Whether its content differs from the published one.
    pub(super) is_new: bool,
}

impl ObjectWriter {
    /// Makes the objects that were written durable, all with one call of `fsync`. If it fails, a crash
    /// can restore previous objects, which the next start replaces.
    pub(super) async fn sync(&self) {
        let directory = self.directory.clone();
        let synced = tokio::task::spawn_blocking(move || disk::sync_dir(&directory)).await;
        if let Ok(Err(error)) = synced {
            tracing::warn!(%error, "the directory of history objects could not be synced");
        }
    }

    /// Writes the object of a class as of `version` or later, unless the published one has the same
    /// content.
    pub(super) async fn write(
        &self,
        class: ClassId,
        version: EventTime,
    ) -> Result<Written, String> {
        // The version is from the live state, which may be a tick ahead of the state that answers
        // queries.
        self.engine.wait_complete(version).await.map_err(|error| error.to_string())?;
        let answer = self.engine.query(Query::ClassCurves(class)).await;
        let (as_of, answer) = answer.map_err(|error| error.to_string())?;
        let Answer::ClassCurves(curves) = answer else { return Err("no curves".to_owned()) };
        let (directory, published) = (self.directory.clone(), self.objects.published(class));
        let written = tokio::task::spawn_blocking(move || {
            let records: usize = curves.iter().map(|(_, curve)| curve.outputs().count()).sum();
            let label = class.to_string();
            metrics::gauge!("velodrome_records", "class" => label).set(records as f64);
            replace_object(&directory, class, &curves, published)
        });
        let written = written.await.map_err(|error| error.to_string())?;
        let (object, is_new) = written.map_err(|error| error.to_string())?;
        Ok(Written { as_of, object, is_new })
    }
}

/// Replaces the object of a class in `directory`, unless `published` has the same content. Returns the
/// current object, and whether it is a new one.
fn replace_object(
    directory: &Path,
    class: ClassId,
    curves: &[(RacerId, Record)],
    published: Option<HistoryFile>,
) -> io::Result<(Option<HistoryFile>, bool)> {
    let name = history::object_name(class);
    if curves.is_empty() {
        remove_if_exists(&directory.join(name))?;
        return Ok((None, published.is_some()));
    }
    let write = |file: &File| {
        let mut hashed = HashingWriter::new(file);
        history::write_object(curves, &mut hashed)?;
        Ok(hashed.finish())
    };
    // Somebody may have removed the file, or replaced it.
    let is_there = |object: &HistoryFile| matches!(object.open(None), Ok(Some(_)));
    let is_same = |end: &(u64, u128)| {
        published.as_ref().is_some_and(|object| object.end() == *end && is_there(object))
    };
    Ok(match replace_file_unless(directory, &name, write, is_same)? {
        Some((file, end)) => {
            (Some(HistoryFile::new(directory.join(name), &file.metadata()?, end)?), true)
        }
        None => (published, false),
    })
}
