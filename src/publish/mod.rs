//! Publishing: the history object of each class that changed, in a directory, to be served, and in a
//! bucket where there is one.
//!
//! It asks the engine and writes what `results` makes of the answer; who serves the objects gets open
//! files and knows no directory.

mod hashed;
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

pub use objects::{Object, Objects};
pub use uploads::Uploads;

use crate::atomic_file::{remove_if_exists, replace_file};
use crate::engine::Engine;
use crate::log;
use crate::results::history;
use hashed::Hashed;
use objects::Published;

/// A class is published at most so often, by the service's clock, unless bans or rules changed.
const EVERY_MS: u64 = 60_000;

/// How often the publisher looks for classes that changed.
const LOOK: Duration = Duration::from_secs(1);

/// The publisher: writes the history object of each class that changed, at most once a minute.
pub struct Publisher {
    engine: Engine,
    directory: PathBuf,
    uploads: Option<Uploads>,
    objects: Objects,
    clock: log::Clock,
    /// By class, the time that its object is of, and when it was published.
    published: BTreeMap<ClassId, (EventTime, u64)>,
}

impl Publisher {
    /// Publishes what `engine` holds into `directory`, as `objects`, and by `uploads`.
    pub fn new(
        engine: Engine,
        directory: PathBuf,
        uploads: Option<Uploads>,
        objects: Objects,
        clock: log::Clock,
    ) -> Self {
        Self { engine, directory, uploads, objects, clock, published: BTreeMap::new() }
    }

    /// Publishes until `stop` says so, and then what is left.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut has_failed = false;
        loop {
            let is_last = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = sleep(LOOK) => false,
                // What cannot be written is not tried as often as it is asked for.
                () = self.objects.nudged(), if !has_failed => false,
            };
            has_failed = !self.publish(is_last).await;
            self.uploads.iter_mut().for_each(Uploads::go_on);
            if is_last {
                break;
            }
        }
        if let Some(uploads) = self.uploads {
            uploads.finish().await;
        }
    }

    /// Publishes the classes whose turn it is, or all that changed where it is the last time. Returns
    /// whether all could be.
    async fn publish(&mut self, is_last: bool) -> bool {
        let now = self.clock.now();
        let (time, versions, all) = {
            let (time, live) = self.engine.live_state();
            (time, BTreeMap::from_iter(live.record_versions()), live.global_version())
        };
        // What is in the directory of classes that are not this service's stays, and is not served.
        for class in self.objects.classes() {
            if !versions.contains_key(&class) {
                self.objects.publish(class, Published { read: Some(time), object: None });
            }
        }
        let mut is_whole = true;
        for (class, changed) in versions {
            let is_due = self.published.get(&class).is_none_or(|(read, at)| {
                *read < all || *read < changed && (is_last || at.saturating_add(EVERY_MS) <= now)
            });
            if !is_due {
                continue;
            }
            match self.object(class, changed.max(all)).await {
                Ok(read) => {
                    self.published.insert(class, (read, now));
                }
                Err(error) => {
                    is_whole = false;
                    metrics::counter!("velodrome_history_failures_total").increment(1);
                    tracing::error!(class, error, "a history object could not be published");
                }
            }
        }
        is_whole
    }

    /// Publishes one class as of `version` or later, and returns the time that its object is of.
    async fn object(&mut self, class: ClassId, version: EventTime) -> Result<EventTime, String> {
        // The live state, where the version is from, may be a tick ahead of what is answered from.
        self.engine.wait_complete(version).await.map_err(|error| error.to_string())?;
        let answer = self.engine.query(Query::ClassCurves(class)).await;
        let (read, answer) = answer.map_err(|error| error.to_string())?;
        let Answer::ClassCurves(curves) = answer else { return Ok(read) };
        let directory = self.directory.clone();
        let written = tokio::task::spawn_blocking(move || {
            let records: usize = curves.iter().map(|(_, curve)| curve.outputs().count()).sum();
            let label = class.to_string();
            metrics::gauge!("velodrome_records", "class" => label).set(records as f64);
            let name = history::name(class);
            if curves.is_empty() {
                return remove_if_exists(&directory.join(name)).map(|()| None);
            }
            let (file, end) = replace_file(&directory, &name, |file| {
                let mut hashed = Hashed::new(file);
                history::object(&curves, &mut hashed)?;
                Ok(hashed.end())
            })?;
            Ok(Some(Object::new(file, end)))
        });
        let written = written.await.map_err(|error| error.to_string())?;
        let object = written.map_err(|error| error.to_string())?;
        metrics::counter!("velodrome_history_objects_total").increment(object.iter().len() as u64);
        if let Some(uploads) = &mut self.uploads {
            uploads.want(class, read, object.clone());
        }
        self.objects.publish(class, Published { read: Some(read), object });
        Ok(read)
    }
}
