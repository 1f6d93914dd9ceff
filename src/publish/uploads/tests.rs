//! Uploads to a bucket that is unreachable or hangs for a while.

use std::io::Read;
use std::sync::{Condvar, Mutex};

use super::*;
use crate::health::Health;
use crate::store::{Directory, Listing, Object as Stored, WriteBody};

/// A directory that can be made unreachable, and whose writes of class 1 can be made to hang.
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

    fn walk(&self, prefix: &str) -> Result<Vec<Stored>, StoreError> {
        self.directory.walk(prefix)
    }

    fn find(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        self.directory.find(key)
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
        let path = self.root.path().join(format!("object-{class}-{as_of}"));
        std::fs::write(&path, text).unwrap();
        let object = HistoryFile::read(path).unwrap();
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
    uploading.until(|u| u.uploads.pending.values().all(|pending| pending.error.is_some())).await;
    uploading.bucket.set(false, false);
    uploading.uploads.finish().await;
    let there = |class| uploading.root.path().join(format!("bucket/class-{class}.gz")).exists();
    assert!(!there(2) && there(3));
    assert!(uploading.health.faults().is_empty());
}
