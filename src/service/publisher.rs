//! The publisher: writes the history object of each class that changed, at most once a minute, but at
//! once where who is banned changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use velodrome_dataflows::{Answer, ClassId, Clock, Query};

use crate::engine::Engine;
use crate::replace::replace;
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
        let (versions, banned) = {
            let (_, live) = self.engine.live();
            (live.record_versions(), live.bans_version())
        };
        for (class, changed) in versions {
            let is_due = self.published.get(&class).is_none_or(|(read, at)| {
                let is_turn = is_last || *read < banned || at.saturating_add(EVERY_MS) <= now;
                *read < changed && is_turn
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
        let (directory, name) = (self.directory.clone(), format!("class-{class}.gz"));
        if curves.is_empty() {
            // Nobody has a record, or everybody who has is banned.
            return match fs::remove_file(directory.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error.to_string()),
                _ => Ok(read),
            };
        }
        let written = tokio::task::spawn_blocking(move || {
            let records: usize = curves.iter().map(|(_, curve)| curve.outputs().count()).sum();
            let label = class.to_string();
            metrics::gauge!("velodrome_records", "class" => label).set(records as f64);
            replace(&directory, &name, |out| results::history::object(&curves, out))
        });
        written.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        metrics::counter!("velodrome_history_objects_total").increment(1);
        Ok(read)
    }
}
