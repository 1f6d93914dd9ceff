//! Publishes the history object of each changed class to a directory, from which it is served, and to a
//! bucket if there is one.
//!
//! The publisher queries the engine and writes the objects in the form of the module `results`. Handlers
//! serve the objects from files that are opened on demand, and do not know the directory.

mod hashing_writer;
mod history_file;
mod objects;
#[cfg(test)]
mod tests;
mod uploads;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio::time::sleep;
use velodrome_dataflows::{ClassId, EventTime};

pub use history_file::HistoryObject;
pub use objects::HistoryObjects;
pub use uploads::Uploads;

use crate::engine::Engine;
use crate::health::Component;
use crate::log;
use objects::Published;
use writer::{ObjectWriter, Written};

/// Minimum time between two publications of a class, by the service's clock. It does
/// not apply after new bans or rules.
const MIN_INTERVAL_MS: u64 = 60_000;

/// How often the publisher checks for changed classes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The number of objects that are written concurrently: their calls of `fsync` share the disk's work.
const WRITTEN_AT_ONCE: usize = 8;

/// The publisher: writes the history object of each changed class, at most once a minute.
pub struct Publisher {
    writer: ObjectWriter,
    uploads: Option<Uploads>,
    objects: HistoryObjects,
    clock: log::Clock,
    /// Receives the health of the directory.
    component: Component,
    /// For each class, the event time that its object reflects, and when it was published.
    published: BTreeMap<ClassId, (EventTime, u64)>,
}

impl Publisher {
    /// A publisher of the records of `engine` to `directory`, `objects` and `uploads`. `component` receives
    /// the health of the directory.
    pub fn new(
        engine: Engine,
        directory: PathBuf,
        uploads: Option<Uploads>,
        objects: HistoryObjects,
        clock: log::Clock,
        component: Component,
    ) -> Self {
        let writer = ObjectWriter { engine, directory, objects: objects.clone() };
        Self { writer, uploads, objects, clock, component, published: BTreeMap::new() }
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
        // A node of a cluster publishes nothing between two generations: it cannot query the engine.
        if self.writer.engine.workers().is_empty() {
            return false;
        }
        let now = self.clock.now();
        let (time, versions, all) = {
            let (time, live) = self.writer.engine.live_state();
            (time, BTreeMap::from_iter(live.record_versions()), live.global_version())
        };
        // Objects of classes without data in this service stay in the directory, but are not served.
        for class in self.objects.classes() {
            if !versions.contains_key(&class) {
                self.objects.publish(class, Published { as_of: Some(time), object: None });
            }
        }
        let is_due = |(class, changed): &(ClassId, EventTime)| {
            self.published.get(class).is_none_or(|(as_of, at)| {
                *as_of < all
                    || as_of < changed && (is_last || at.saturating_add(MIN_INTERVAL_MS) <= now)
            }) || self.objects.is_invalid(*class)
        };
        let due: Vec<_> = versions.into_iter().filter(is_due).collect();
        let write = |(class, changed): (ClassId, EventTime)| {
            let writer = self.writer.clone();
            async move { (class, writer.write(class, changed.max(all)).await) }
        };
        let writes: Vec<_> = due.into_iter().map(write).collect();
        let mut writes = stream::iter(writes).buffer_unordered(WRITTEN_AT_ONCE);
        let (mut failure, mut has_new) = (None, false);
        while let Some((class, written)) = writes.next().await {
            match written {
                Ok(written) => {
                    has_new |= written.is_new;
                    self.written(class, written, now);
                }
                Err(error) => {
                    metrics::counter!("velodrome_history_failures_total").increment(1);
                    failure = Some(format!("class {class}: {error}"));
                }
            }
        }
        if has_new {
            self.writer.sync().await;
        }
        match &failure {
            // The generation of a cluster ended meanwhile.
            Some(_) if self.writer.engine.workers().is_empty() => {}
            Some(error) => self.component.fail(error),
            None => self.component.set_ok(),
        }
        failure.is_none()
    }

    /// Serves and uploads what was written.
    fn written(&mut self, class: ClassId, Written { as_of, object, is_new }: Written, now: u64) {
        let is_first = self.published.insert(class, (as_of, now)).is_none();
        if is_new {
            let objects = object.iter().len() as u64;
            metrics::counter!("velodrome_history_objects_total").increment(objects);
        }
        // An earlier run may have stopped before it uploaded the object.
        if let Some(uploads) = self.uploads.as_mut().filter(|_| is_new || is_first) {
            uploads.request(class, as_of, object.clone());
        }
        self.objects.publish(class, Published { as_of: Some(as_of), object });
    }
}
