//! The publisher: writes the history object of each class that changed, at most once a minute.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use velodrome_dataflows::{Answer, ClassId, Clock, Query};

use crate::engine::Engine;
use crate::results;

/// A class is published at most so often, by the service's clock.
const EVERY_MS: u64 = 60_000;

/// How often the publisher looks for classes that changed.
const LOOK: Duration = Duration::from_secs(1);

/// What the publisher works with.
pub(super) struct Publisher {
    engine: Engine,
    directory: PathBuf,
    clock: crate::log::Clock,
    /// By class, when its published object was read, and when it was published.
    published: BTreeMap<ClassId, (Clock, u64)>,
}

impl Publisher {
    /// Publishes what `engine` holds into `directory`.
    pub(super) fn new(engine: Engine, directory: PathBuf, clock: crate::log::Clock) -> Self {
        Self { engine, directory, clock, published: BTreeMap::new() }
    }

    /// Publishes until `stop` says so, and then what is left.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = tokio::time::timeout(LOOK, stop.wait_for(|stop| *stop)).await.is_ok();
            self.publish(stopped).await;
            if stopped {
                return;
            }
        }
    }

    /// Publishes the classes whose turn it is, or all that changed where it is the last time.
    async fn publish(&mut self, is_last: bool) {
        let now = self.clock.now();
        let versions = self.engine.live().1.record_versions();
        for (class, changed) in versions {
            let is_due = self.published.get(&class).is_none_or(|(read, at)| {
                *read < changed && (is_last || at.saturating_add(EVERY_MS) <= now)
            });
            if !is_due {
                continue;
            }
            match self.object(class).await {
                Ok(read) => {
                    self.published.insert(class, (read, now));
                }
                Err(error) => {
                    metrics::counter!("velodrome_history_failures_total").increment(1);
                    tracing::error!(class, error, "a history object could not be published");
                }
            }
        }
    }

    /// Publishes one class, and returns the time that its object is of.
    async fn object(&self, class: ClassId) -> Result<Clock, String> {
        let answer = self.engine.ask(Query::History(class)).await;
        let (read, answer) = answer.map_err(|error| error.to_string())?;
        let Answer::History(curves) = answer else { return Ok(read) };
        if curves.is_empty() {
            return Ok(read);
        }
        let directory = self.directory.clone();
        let written = tokio::task::spawn_blocking(move || {
            let records: usize = curves.iter().map(|(_, curve)| curve.outputs().count()).sum();
            let label = class.to_string();
            metrics::gauge!("velodrome_records", "class" => label).set(records as f64);
            replace(&directory, &format!("class-{class}.gz"), |out| {
                results::history::object(&curves, out)
            })
        });
        written.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        metrics::counter!("velodrome_history_objects_total").increment(1);
        Ok(read)
    }
}

/// Puts a file in the place of `name` as a whole: whoever reads it sees the old or the new one.
fn replace(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&fs::File) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let hidden = directory.join(format!(".{name}"));
    let file = fs::File::create(&hidden)?;
    write(&file)?;
    file.sync_all()?;
    fs::rename(&hidden, directory.join(name))?;
    fs::File::open(directory)?.sync_all()
}
