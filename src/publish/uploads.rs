//! Uploads: history objects on their way to a bucket, the newest of each class.

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

/// So many uploads run at a time, so that none waits for one that hangs; each holds its object in memory.
const RUNNING_MAX: usize = 4;

/// An upload that failed is tried again after a second, then after twice as long each time, up to a
/// minute.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How long the last uploads may take: what a supervisor grants a service that it stops (30 s by default
/// in Kubernetes), less the rest of the stop.
const LAST: Duration = Duration::from_secs(20);

/// How an upload ended: its class, the time that it is of, and what became of it.
type Upload = (ClassId, EventTime, Result<WriteOutcome, StoreError>);

/// The uploads of a publisher.
#[derive(Debug)]
pub struct Uploads {
    bucket: Arc<dyn Store>,
    acl: Option<Acl>,
    component: Component,
    /// What is still to be there, by class.
    wanted: BTreeMap<ClassId, Wanted>,
    running: JoinSet<Upload>,
}

/// What is to be in the bucket of a class.
#[derive(Debug)]
struct Wanted {
    /// The time that it is of.
    read: EventTime,
    /// None where there are no records.
    object: Option<Object>,
    is_running: bool,
    /// When it is tried again, and how long after that.
    due: Instant,
    retry: Duration,
    error: Option<String>,
}

impl Uploads {
    /// Uploads to `bucket`, where those whom `acl` names may read too; `component` is told how it goes.
    pub fn new(bucket: Arc<dyn Store>, acl: Option<Acl>, component: Component) -> Self {
        Self { bucket, acl, component, wanted: BTreeMap::new(), running: JoinSet::new() }
    }

    /// The object of a class as of `read` is to be there, or none.
    pub(super) fn want(&mut self, class: ClassId, read: EventTime, object: Option<Object>) {
        let wanted = self.wanted.entry(class).or_insert_with(|| Wanted {
            read,
            object: None,
            is_running: false,
            due: Instant::now(),
            retry: RETRY_MIN,
            error: None,
        });
        (wanted.read, wanted.object) = (read, object);
    }

    /// Takes note of the uploads that ended, and starts those that are due.
    pub(super) fn go_on(&mut self) {
        while let Some(ended) = self.running.try_join_next() {
            self.ended(ended);
        }
        for (&class, wanted) in &mut self.wanted {
            if self.running.len() < RUNNING_MAX
                && !wanted.is_running
                && wanted.due <= Instant::now()
            {
                wanted.is_running = true;
                let (bucket, acl) = (Arc::clone(&self.bucket), self.acl);
                let (read, object) = (wanted.read, wanted.object.clone());
                self.running.spawn_blocking(move || {
                    (class, read, upload(&*bucket, acl, class, read, object))
                });
            }
        }
    }

    /// Tries all that is left once more, at once, and waits for it, but not for ever.
    pub(super) async fn finish(mut self) {
        let end = Instant::now() + LAST;
        self.wanted.values_mut().for_each(|wanted| wanted.due = Instant::now());
        self.go_on();
        while let Ok(Some(ended)) = timeout_at(end, self.running.join_next()).await {
            self.ended(ended);
            self.go_on();
        }
        for class in self.wanted.keys() {
            tracing::warn!(
                class,
                "a history object is not in the bucket; the next start puts it there"
            );
        }
    }

    fn ended(&mut self, ended: Result<Upload, JoinError>) {
        // One that panicked told of it.
        let Ok((class, read, ended)) = ended else { return };
        let Some(wanted) = self.wanted.get_mut(&class) else { return };
        wanted.is_running = false;
        match ended {
            Ok(put) => {
                if put == WriteOutcome::PreconditionFailed {
                    let name = self.bucket.name(&history::name(class));
                    tracing::warn!(name, "a newer history object is in the bucket and stays");
                }
                metrics::counter!("velodrome_history_uploads_total").increment(1);
                (wanted.error, wanted.retry) = (None, RETRY_MIN);
                if wanted.read == read {
                    self.wanted.remove(&class);
                }
            }
            Err(error) => {
                metrics::counter!("velodrome_history_failures_total").increment(1);
                wanted.error = Some(error.to_string());
                wanted.due = Instant::now() + wanted.retry;
                wanted.retry = (2 * wanted.retry).min(RETRY_MAX);
            }
        }
        match self.wanted.values().find_map(|wanted| wanted.error.as_ref()) {
            Some(error) => self.component.fail(error),
            None => self.component.set_ok(),
        }
    }
}

/// Puts a class's object into the bucket, or takes it away where there is none.
fn upload(
    bucket: &dyn Store,
    acl: Option<Acl>,
    class: ClassId,
    read: EventTime,
    object: Option<Object>,
) -> Result<WriteOutcome, StoreError> {
    let key = history::name(class);
    let Some(object) = object else { return bucket.remove(&key, read) };
    let condition = Condition::NotNewerThan(read);
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

    /// A directory that is away for a while, and where class 1 hangs for a while.
    #[derive(Debug)]
    struct Troubled {
        directory: Directory,
        /// Whether it is away, and whether class 1 hangs.
        troubles: Mutex<(bool, bool)>,
        changed: Condvar,
    }

    impl Troubled {
        fn set(&self, is_away: bool, hangs: bool) {
            *self.troubles.lock().unwrap() = (is_away, hangs);
            self.changed.notify_all();
        }

        fn pass(&self, key: &str) -> Result<(), StoreError> {
            let troubles = self.troubles.lock().unwrap();
            let hangs = |(_, hangs): &mut (bool, bool)| *hangs && key == "class-1.gz";
            let (is_away, _) = *self.changed.wait_while(troubles, hangs).unwrap();
            let reason = std::io::Error::other("away");
            let error = StoreError { action: "write", name: key.to_owned(), reason };
            if is_away { Err(error) } else { Ok(()) }
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
        fn new(is_away: bool, hangs: bool) -> Self {
            let (root, health) = (tempfile::tempdir().unwrap(), Health::default());
            let bucket = Arc::new(Troubled {
                directory: Directory::new(root.path().join("bucket")),
                troubles: Mutex::new((is_away, hangs)),
                changed: Condvar::new(),
            });
            let uploads = Uploads::new(Arc::clone(&bucket) as _, None, health.component("history"));
            Self { uploads, bucket, health, root }
        }

        fn want(&mut self, class: ClassId, read: EventTime, text: &str) {
            let path = self.root.path().join("object");
            std::fs::write(&path, text).unwrap();
            let object = Object::open(std::fs::File::open(&path).unwrap()).unwrap();
            // As the publisher does: the next one takes the name, not the bytes.
            std::fs::remove_file(path).unwrap();
            self.uploads.want(class, read, Some(object));
        }

        fn there(&self, class: ClassId) -> Option<String> {
            std::fs::read_to_string(self.root.path().join(format!("bucket/class-{class}.gz"))).ok()
        }

        /// Looks as the publisher does, until it is so.
        async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
            let began = Instant::now();
            while !is_so(self) {
                assert!(began.elapsed() < Duration::from_secs(20));
                self.uploads.go_on();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    #[tokio::test]
    async fn one_that_hangs_holds_up_no_other_class_and_only_the_newest_follows_it() {
        let mut uploading = Uploading::new(false, true);
        (1..=3).for_each(|class| uploading.want(class, 10, "first"));
        uploading.until(|u| u.there(2).is_some() && u.there(3).is_some()).await;
        assert_eq!(uploading.there(1), None);
        uploading.want(1, 20, "second");
        uploading.want(1, 30, "third");
        uploading.uploads.go_on();
        uploading.bucket.set(false, false);
        uploading.until(|u| u.there(1).as_deref() == Some("third")).await;
        uploading.until(|u| u.uploads.wanted.is_empty()).await;
        assert!(uploading.health.faults().is_empty());
    }

    #[tokio::test]
    async fn what_fails_is_told_of_and_tried_again_later_and_at_the_end() {
        let mut uploading = Uploading::new(true, false);
        uploading.want(2, 10, "first");
        uploading.until(|u| !u.health.faults().is_empty()).await;
        assert_eq!(uploading.health.faults(), ["history: cannot write 'class-2.gz': away"]);
        // Not at once.
        uploading.bucket.set(false, false);
        uploading.uploads.go_on();
        assert!(uploading.uploads.running.is_empty());
        uploading.until(|u| u.there(2).is_some() && u.health.faults().is_empty()).await;
        // Whoever ends does not wait for its turn.
        uploading.bucket.set(true, false);
        uploading.want(3, 10, "first");
        uploading.uploads.want(2, 20, None);
        uploading.until(|u| u.uploads.wanted.values().all(|wanted| wanted.error.is_some())).await;
        uploading.bucket.set(false, false);
        uploading.uploads.finish().await;
        let there = |class| uploading.root.path().join(format!("bucket/class-{class}.gz")).exists();
        assert!(!there(2) && there(3));
        assert!(uploading.health.faults().is_empty());
    }
}
