//! Uploads the newest history object of each class to a bucket.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use velodrome_dataflows::{ClassId, EventTime};

use super::history_file::HistoryFile;
use crate::health::Component;
use crate::results::history;
use crate::store::{Acl, Condition, PutOptions, Store, StoreError, WriteOutcome};

/// Maximum number of concurrent uploads. There are several so that a hanging upload does not block the
/// others. Each has its object in memory.
const RUNNING_MAX: usize = 4;

/// Delay before the first retry of a failed upload. It doubles with each further failure, up to
/// [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Maximum delay before a retry.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Time limit for the uploads at shutdown: the time that a supervisor allows for a stop (30 s by
/// default in Kubernetes), minus the rest of the shutdown.
const FINISH_TIMEOUT: Duration = Duration::from_secs(20);

/// A finished upload: its class, the event time that its object reflects, and the outcome.
type Upload = (ClassId, EventTime, Result<WriteOutcome, StoreError>);

/// The uploads of a publisher.
#[derive(Debug)]
pub struct Uploads {
    bucket: Arc<dyn Store>,
    acl: Option<Acl>,
    component: Component,
    /// The uploads that are waiting or running, by class.
    pending: BTreeMap<ClassId, Pending>,
    running: JoinSet<Upload>,
}

/// The requested state of a class in the bucket.
#[derive(Debug)]
struct Pending {
    /// The event time that the object reflects.
    as_of: EventTime,
    /// `None` to remove the object, because the class has no records.
    object: Option<HistoryFile>,
    is_running: bool,
    /// When the upload is next attempted, and the delay after another failure.
    due: Instant,
    retry: Duration,
    error: Option<String>,
}

impl Uploads {
    /// Uploads to `bucket`, with `acl` on each object. Reports to `component`.
    pub fn new(bucket: Arc<dyn Store>, acl: Option<Acl>, component: Component) -> Self {
        Self { bucket, acl, component, pending: BTreeMap::new(), running: JoinSet::new() }
    }

    /// Requests the upload of a class's object as of `as_of`, or its removal. Replaces an earlier
    /// request.
    pub(super) fn request(
        &mut self,
        class: ClassId,
        as_of: EventTime,
        object: Option<HistoryFile>,
    ) {
        let pending = self.pending.entry(class).or_insert_with(|| Pending {
            as_of,
            object: None,
            is_running: false,
            due: Instant::now(),
            retry: RETRY_MIN,
            error: None,
        });
        (pending.as_of, pending.object) = (as_of, object);
    }

    /// Handles the uploads that have finished, and starts those that are due.
    pub(super) fn advance(&mut self) {
        while let Some(ended) = self.running.try_join_next() {
            self.ended(ended);
        }
        for (&class, pending) in &mut self.pending {
            if self.running.len() < RUNNING_MAX
                && !pending.is_running
                && pending.due <= Instant::now()
            {
                pending.is_running = true;
                let (bucket, acl) = (Arc::clone(&self.bucket), self.acl);
                let (as_of, object) = (pending.as_of, pending.object.clone());
                self.running.spawn_blocking(move || {
                    (class, as_of, upload(&*bucket, acl, class, as_of, object))
                });
            }
        }
    }

    /// Tries all remaining uploads immediately, and waits for them for up to [`FINISH_TIMEOUT`].
    pub(super) async fn finish(mut self) {
        let end = Instant::now() + FINISH_TIMEOUT;
        self.pending.values_mut().for_each(|pending| pending.due = Instant::now());
        self.advance();
        while let Ok(Some(ended)) = timeout_at(end, self.running.join_next()).await {
            self.ended(ended);
            self.advance();
        }
        for class in self.pending.keys() {
            tracing::warn!(
                class,
                "a history object was not uploaded before shutdown; the next start uploads it"
            );
        }
    }

    fn ended(&mut self, ended: Result<Upload, JoinError>) {
        // The panic hook has already reported a panic.
        let Ok((class, as_of, ended)) = ended else { return };
        let Some(pending) = self.pending.get_mut(&class) else { return };
        pending.is_running = false;
        match ended {
            Ok(put) => {
                if put == WriteOutcome::PreconditionFailed {
                    let name = self.bucket.name(&history::object_name(class));
                    tracing::warn!(
                        name,
                        "kept a newer history object that is already in the bucket"
                    );
                }
                metrics::counter!("velodrome_history_uploads_total").increment(1);
                (pending.error, pending.retry) = (None, RETRY_MIN);
                if pending.as_of == as_of {
                    self.pending.remove(&class);
                }
            }
            Err(error) => {
                metrics::counter!("velodrome_history_failures_total").increment(1);
                pending.error = Some(error.to_string());
                pending.due = Instant::now() + pending.retry;
                pending.retry = (2 * pending.retry).min(RETRY_MAX);
            }
        }
        match self.pending.values().find_map(|pending| pending.error.as_ref()) {
            Some(error) => self.component.fail(error),
            None => self.component.set_ok(),
        }
    }
}

/// Writes the object of a class to the bucket, or removes it if there is none.
fn upload(
    bucket: &dyn Store,
    acl: Option<Acl>,
    class: ClassId,
    as_of: EventTime,
    object: Option<HistoryFile>,
) -> Result<WriteOutcome, StoreError> {
    let key = history::object_name(class);
    let Some(object) = object else { return bucket.remove(&key, as_of) };
    let condition = Condition::NotNewerThan(as_of);
    let options = PutOptions { content_type: "application/gzip", condition, acl };
    let lost =
        || io::Error::new(ErrorKind::NotFound, "its file was removed; a restart publishes it");
    let opened = object.open(None).and_then(|object| object.ok_or_else(lost));
    let object = opened.map_err(|reason| {
        let name = bucket.name(&key);
        StoreError { action: "upload", name, reason }
    })?;
    bucket.put(&key, options, &mut |out| object.write(out))
}
