//! Uploads the newest history object of each class to a bucket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use velodrome_dataflows::{ClassId, EventTime};

use super::objects::Object;
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

/// Time limit of the uploads at shutdown: the time that a supervisor gives a service to stop (30 s by
/// default in Kubernetes), less the rest of the shutdown.
const FINISH_TIMEOUT: Duration = Duration::from_secs(20);

/// A finished upload: its class, the time that its object is as of, and the outcome.
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
    /// The event time that the object is as of.
    as_of: EventTime,
    /// `None` to remove the object: the class has no records.
    object: Option<Object>,
    is_running: bool,
    /// When the upload is tried next, and the delay after another failure.
    due: Instant,
    retry: Duration,
    error: Option<String>,
}

impl Uploads {
    /// Uploads to `bucket`, and lets the readers in `acl` read the objects, too. Reports to `component`.
    pub fn new(bucket: Arc<dyn Store>, acl: Option<Acl>, component: Component) -> Self {
        Self { bucket, acl, component, pending: BTreeMap::new(), running: JoinSet::new() }
    }

    /// Requests the upload of the object of a class as of `as_of`, or its removal. Replaces an earlier
    /// request.
    pub(super) fn request(&mut self, class: ClassId, as_of: EventTime, object: Option<Object>) {
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
                "a history object is not in the bucket; the next start puts it there"
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
                    let name = self.bucket.name(&history::name(class));
                    tracing::warn!(name, "a newer history object is in the bucket and stays");
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
    object: Option<Object>,
) -> Result<WriteOutcome, StoreError> {
    let key = history::name(class);
    let Some(object) = object else { return bucket.remove(&key, as_of) };
    let condition = Condition::NotNewerThan(as_of);
    let options = PutOptions { content_type: "application/gzip", condition, acl };
    bucket.put(&key, options, &mut |out| object.write(out))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::{Condvar, Mutex};

    use super::*;
    use crate::health::Health;
    use crate::store::{Directory, Listing, Object as Stored, WriteBody};

    /// A directory that can be made unreachable, and where writes of class 1 can be made to hang.
    #[derive(Debug)]
    struct Troubled {
        directory: Directory,
        /// Whether the directory is unreachable, and whether class 1 hangs.
        troubles: Mutex<(bool, bool)>,
        changed: Condvar,
    }

    impl Troubled {
        fn set(&self, is_unreachable: bool, hangs: bool) {
            *self.troubles.lock().unwrap() = (is_unreachable, hangs);
            self.changed.notify_all();
        }

        fn pass(&self, key: &str) -> Result<(), StoreError> {
            let troubles = self.troubles.lock().unwrap();
            let hangs = |(_, hangs): &mut (bool, bool)| *hangs && key == "class-1.gz";
            let (is_unreachable, _) = *self.changed.wait_while(troubles, hangs).unwrap();
            let reason = std::io::Error::other("away");
            let error = StoreError { action: "write", name: key.to_owned(), reason };
            if is_unreachable { Err(error) } else { Ok(()) }
        }
    }

    impl Store for Troubled {
        fn check(&self) -> Result<(), StoreError> {
            self.directory.check()
        }

        fn list(&self, folder: &str) -> Result<Listing, StoreError> {
            self.directory.list(folder)
        }

        fn walk<'a>(
            &'a self,
            prefix: &str,
        ) -> Box<dyn Iterator<Item = Result<Stored, StoreError>> + Send + 'a> {
            self.directory.walk(prefix)
        }

        fn read(&self, object: &Stored, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
            self.directory.read(object, from)
        }

        fn put(
            &self,
            key: &str,
            options: PutOptions,
            write: WriteBody<'_>,
        ) -> Result<WriteOutcome, StoreError> {
            self.pass(key)?;
            self.directory.put(key, options, write)
        }

        fn remove(&self, key: &str, version: u64) -> Result<WriteOutcome, StoreError> {
            self.pass(key)?;
            self.directory.remove(key, version)
        }

        fn name(&self, key: &str) -> String {
            key.to_owned()
        }
    }

    struct Uploading {
        uploads: Uploads,
        bucket: Arc<Troubled>,
        health: Health,
        root: tempfile::TempDir,
    }

    impl Uploading {
        fn new(is_unreachable: bool, hangs: bool) -> Self {
            let (root, health) = (tempfile::tempdir().unwrap(), Health::default());
            let bucket = Arc::new(Troubled {
                directory: Directory::new(root.path().join("bucket")),
                troubles: Mutex::new((is_unreachable, hangs)),
                changed: Condvar::new(),
            });
            let uploads = Uploads::new(Arc::clone(&bucket) as _, None, health.component("history"));
            Self { uploads, bucket, health, root }
        }

        fn request(&mut self, class: ClassId, as_of: EventTime, text: &str) {
            let path = self.root.path().join("object");
            std::fs::write(&path, text).unwrap();
            let object = Object::open(std::fs::File::open(&path).unwrap()).unwrap();
            // As in the publisher, the next object reuses the name, but not the file.
            std::fs::remove_file(path).unwrap();
            self.uploads.request(class, as_of, Some(object));
        }

        fn there(&self, class: ClassId) -> Option<String> {
            std::fs::read_to_string(self.root.path().join(format!("bucket/class-{class}.gz"))).ok()
        }

        /// Advances the uploads as the publisher does, until `is_so` is true.
        async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
            let began = Instant::now();
            while !is_so(self) {
                assert!(began.elapsed() < Duration::from_secs(20));
                self.uploads.advance();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_hanging_upload_blocks_no_other_class_and_only_the_newest_follows_it() {
        let mut uploading = Uploading::new(false, true);
        (1..=3).for_each(|class| uploading.request(class, 10, "first"));
        uploading.until(|u| u.there(2).is_some() && u.there(3).is_some()).await;
        assert_eq!(uploading.there(1), None);
        uploading.request(1, 20, "second");
        uploading.request(1, 30, "third");
        uploading.uploads.advance();
        uploading.bucket.set(false, false);
        uploading.until(|u| u.there(1).as_deref() == Some("third")).await;
        uploading.until(|u| u.uploads.pending.is_empty()).await;
        assert!(uploading.health.faults().is_empty());
    }

    #[tokio::test]
    async fn a_failed_upload_is_reported_and_retried_later_and_at_shutdown() {
        let mut uploading = Uploading::new(true, false);
        uploading.request(2, 10, "first");
        uploading.until(|u| !u.health.faults().is_empty()).await;
        assert_eq!(uploading.health.faults(), ["history: cannot write 'class-2.gz': away"]);
        // It is not retried immediately.
        uploading.bucket.set(false, false);
        uploading.uploads.advance();
        assert!(uploading.uploads.running.is_empty());
        uploading.until(|u| u.there(2).is_some() && u.health.faults().is_empty()).await;
        // `finish` does not wait until an upload is due.
        uploading.bucket.set(true, false);
        uploading.request(3, 10, "first");
        uploading.uploads.request(2, 20, None);
        uploading
            .until(|u| u.uploads.pending.values().all(|pending| pending.error.is_some()))
            .await;
        uploading.bucket.set(false, false);
        uploading.uploads.finish().await;
        let there = |class| uploading.root.path().join(format!("bucket/class-{class}.gz")).exists();
        assert!(!there(2) && there(3));
        assert!(uploading.health.faults().is_empty());
    }
}
