//! The published history objects, by class.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::spawn_blocking;
use velodrome_dataflows::{ClassId, EventTime};

use super::history_file::{HistoryFile, HistoryObject};
use crate::results::history;

/// The most recent publication of a class.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// The event time that the object reflects. `None` if the object must be published again: it may have
    /// records of banned racers, or its file is lost.
    pub(super) as_of: Option<EventTime>,
    /// `None` if the class had no records.
    pub(super) object: Option<HistoryFile>,
}

/// The published objects. Clones share them.
#[derive(Clone, Debug)]
pub struct HistoryObjects {
    published: watch::Sender<BTreeMap<ClassId, Published>>,
    requested: Arc<Notify>,
    /// One permit for each object that may be open.
    permits: Arc<Semaphore>,
}

impl HistoryObjects {
    /// No objects, of which at most `open_max` may be open at a time.
    pub fn new(open_max: usize) -> Self {
        Self {
            published: watch::Sender::default(),
            requested: Arc::default(),
            permits: Arc::new(Semaphore::new(open_max)),
        }
    }

    /// The objects that an earlier run published in `directory`, served until they are published again.
    /// At most `open_max` are open at a time.
    ///
    /// `as_of` is the event time that they reflect. It is `None` if any racer is banned, because the
    /// ban may be newer than the objects.
    pub fn open(directory: &Path, as_of: Option<EventTime>, open_max: usize) -> Self {
        let objects = Self::new(open_max);
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Some(class) = entry.file_name().to_str().and_then(history::class_of_object) else {
                continue;
            };
            match HistoryFile::read(entry.path()) {
                Ok(object) => objects.publish(class, Published { as_of, object: Some(object) }),
                Err(error) => {
                    tracing::warn!(class, %error, "a history object could not be read");
                }
            }
        }
        objects
    }

    /// Waits for the object of a class as of `since` or later, and opens it. `None` if the class has no
    /// records.
    ///
    /// If the published object is older, or its file is lost, this requests a new one immediately,
    /// without waiting for the minimum time between two publications.
    ///
    /// # Errors
    /// When too many objects are open, and when the file cannot be opened.
    pub async fn get(&self, class: ClassId, since: EventTime) -> io::Result<Option<HistoryObject>> {
        let mut published = self.published.subscribe();
        let is_fresh = |published: &BTreeMap<ClassId, Published>| {
            published.get(&class).is_none_or(|published| published.as_of >= Some(since))
        };
        loop {
            if !is_fresh(&published.borrow_and_update()) {
                self.requested.notify_one();
            }
            let file = {
                let fresh = published.wait_for(is_fresh).await.map_err(io::Error::other)?;
                fresh.get(&class).and_then(|published| published.object.clone())
            };
            let Some(file) = file else { return Ok(None) };
            let permit = Arc::clone(&self.permits).try_acquire_owned();
            let too_many =
                |_| io::Error::new(ErrorKind::WouldBlock, "too many downloads are running");
            let permit = permit.map_err(too_many)?;
            let wanted = file.clone();
            let opened = spawn_blocking(move || wanted.open(Some(permit))).await;
            match opened.map_err(io::Error::other)?? {
                Some(object) => return Ok(Some(object)),
                None => self.invalidate(class, &file),
            }
        }
    }

    /// Records that `lost` is no longer in its file, unless another object has been published since.
    fn invalidate(&self, class: ClassId, lost: &HistoryFile) {
        self.published.send_if_modified(|all| {
            let published = all.get_mut(&class);
            let lost = published.filter(|published| published.object.as_ref() == Some(lost));
            lost.map(|published| published.as_of = None).is_some()
        });
    }

    /// Waits until a caller of [`Self::get`] requests a new object.
    pub(super) async fn requested(&self) {
        self.requested.notified().await;
    }

    /// The classes that this run or an earlier one published.
    pub(super) fn classes(&self) -> Vec<ClassId> {
        self.published.borrow().keys().copied().collect()
    }

    /// Whether the object of a class must be published again although the class has not changed.
    pub(super) fn is_invalid(&self, class: ClassId) -> bool {
        self.published.borrow().get(&class).is_some_and(|published| published.as_of.is_none())
    }

    /// The object of a class that this run or an earlier one published.
    pub(super) fn published(&self, class: ClassId) -> Option<HistoryFile> {
        self.published.borrow().get(&class)?.object.clone()
    }

    pub(super) fn publish(&self, class: ClassId, published: Published) {
        self.published.send_modify(|all| {
            all.insert(class, published);
        });
    }
}
