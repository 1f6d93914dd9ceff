//! Publishes the history object of each changed class to a directory, from which it is served, and to a
//! bucket if there is one.
//!
//! The publisher queries the engine and writes the objects in the form of the module `results`. Handlers
//! serve the objects from open files and do not know the directory.

mod hashing_writer;
mod objects;
#[cfg(test)]
mod tests;
mod uploads;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use velodrome_dataflows::{Answer, ClassId, EventTime, Query};

pub use objects::{HistoryObject, HistoryObjects};
pub use uploads::Uploads;

use crate::atomic_file::{remove_if_exists, replace_file};
use crate::engine::Engine;
use crate::log;
use crate::results::history;
use hashing_writer::HashingWriter;
use objects::Published;

/// Minimum time between two publications of a class, by the service's clock. It does
/// not apply after new bans or rules.
const MIN_INTERVAL_MS: u64 = 60_000;

/// How often the publisher checks for changed classes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The publisher: writes the history object of each changed class, at most once a minute.
pub struct Publisher {
    engine: Engine,
    directory: PathBuf,
    uploads: Option<Uploads>,
    objects: HistoryObjects,
    clock: log::Clock,
    /// For each class, the event time that its object reflects, and when it was published.
    published: BTreeMap<ClassId, (EventTime, u64)>,
}

impl Publisher {
    /// A publisher of the records of `engine` to `directory`, `objects` and `uploads`.
    pub fn new(
        engine: Engine,
        directory: PathBuf,
        uploads: Option<Uploads>,
        objects: HistoryObjects,
        clock: log::Clock,
    ) -> Self {
        Self { engine, directory, uploads, objects, clock, published: BTreeMap::new() }
    }

    /// Publishes until `stop` is true, then publishes all remaining changes and returns.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut has_failed = false;
        loop {
            let is_last = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = sleep(POLL_INTERVAL) => false,
                // After a failed write, requests do not shorten the time until the next attempt.
                () = self.objects.requested(), if !has_failed => false,
            };
            has_failed = !self.publish(is_last).await;
            self.uploads.iter_mut().for_each(Uploads::advance);
            if is_last {
                break;
            }
        }
        if let Some(uploads) = self.uploads {
            uploads.finish().await;
        }
    }

    /// Publishes the classes that are due, or all changed classes if `is_last`. Returns whether all
    /// succeeded.
    pub(crate) async fn publish(&mut self, is_last: bool) -> bool {
        let now = self.clock.now();
        let (time, versions, all) = {
            let (time, live) = self.engine.live_state();
            (time, BTreeMap::from_iter(live.record_versions()), live.global_version())
        };
        // Objects of classes without data in this service stay in the directory, but are not served.
        for class in self.objects.classes() {
            if !versions.contains_key(&class) {
                self.objects.publish(class, Published { as_of: Some(time), object: None });
            }
        }
        let mut is_complete = true;
        for (class, changed) in versions {
            let is_due = self.published.get(&class).is_none_or(|(as_of, at)| {
                *as_of < all
                    || *as_of < changed && (is_last || at.saturating_add(MIN_INTERVAL_MS) <= now)
            });
            if !is_due {
                continue;
            }
            match self.object(class, changed.max(all)).await {
                Ok(as_of) => {
                    self.published.insert(class, (as_of, now));
                }
                Err(error) => {
                    is_complete = false;
                    metrics::counter!("velodrome_history_failures_total").increment(1);
                    tracing::error!(class, error, "a history object could not be published");
                }
            }
        }
        is_complete
    }

    /// Publishes one class as of `version` or later, and returns the event time that its object
    /// reflects.
    async fn object(&mut self, class: ClassId, version: EventTime) -> Result<EventTime, String> {
        // The version is from the live state, which may be a tick ahead of the state that answers
        // queries.
        self.engine.wait_complete(version).await.map_err(|error| error.to_string())?;
        let answer = self.engine.query(Query::ClassCurves(class)).await;
        let (as_of, answer) = answer.map_err(|error| error.to_string())?;
        let Answer::ClassCurves(curves) = answer else { return Ok(as_of) };
        let directory = self.directory.clone();
        let written = tokio::task::spawn_blocking(move || {
            let records: usize = curves.iter().map(|(_, curve)| curve.outputs().count()).sum();
            let label = class.to_string();
            metrics::gauge!("velodrome_records", "class" => label).set(records as f64);
            let name = history::object_name(class);
            if curves.is_empty() {
                return remove_if_exists(&directory.join(name)).map(|()| None);
            }
            let (file, end) = replace_file(&directory, &name, |file| {
                let mut hashed = HashingWriter::new(file);
                history::write_object(&curves, &mut hashed)?;
                Ok(hashed.finish())
            })?;
            Ok(Some(HistoryObject::new(file, end)))
        });
        let written = written.await.map_err(|error| error.to_string())?;
        let object = written.map_err(|error| error.to_string())?;
        metrics::counter!("velodrome_history_objects_total").increment(object.iter().len() as u64);
        if let Some(uploads) = &mut self.uploads {
            uploads.request(class, as_of, object.clone());
        }
        self.objects.publish(class, Published { as_of: Some(as_of), object });
        Ok(as_of)
    }
}
