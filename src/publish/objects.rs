//! The published history objects: open files, which stay readable after they are replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use velodrome_dataflows::{ClassId, EventTime};

use super::hashing_writer::HashingWriter;
use crate::results::history;

/// Bytes of an object in memory for each client that downloads it. A connection buffers about as much
/// before it waits for the client.
const CHUNK_BYTES: u64 = 32 << 10;

/// A published object. Its file is never written again, only replaced, so length and hash stay valid.
#[derive(Clone, Debug)]
pub struct HistoryObject {
    file: Arc<File>,
    /// Length in bytes.
    pub length: u64,
    /// The 128-bit xxh3 of its bytes.
    pub hash: u128,
}

/// The most recent publication of a class.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// The event time that the object reflects. `None` if it may have records of banned racers.
    pub(super) as_of: Option<EventTime>,
    /// `None` if the class had no records.
    pub(super) object: Option<HistoryObject>,
}

/// The published objects. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct HistoryObjects {
    published: watch::Sender<BTreeMap<ClassId, Published>>,
    requested: Arc<Notify>,
}

impl HistoryObject {
    /// The object in `file`. Reads the file to its end to hash it.
    pub(super) fn open(mut file: File) -> io::Result<Self> {
        let mut hashed = HashingWriter::new(io::sink());
        io::copy(&mut file, &mut hashed)?;
        Ok(Self::new(file, hashed.finish()))
    }

    /// The object in `file`, with its length and hash.
    pub(super) fn new(file: File, (length, hash): (u64, u128)) -> Self {
        Self { file: Arc::new(file), length, hash }
    }

    /// Its bytes in chunks. Each chunk is read on demand, on a blocking thread.
    pub fn chunks(self) -> impl Stream<Item = io::Result<Bytes>> {
        try_unfold(0, move |at| {
            let object = self.clone();
            async move {
                if at >= object.length {
                    return Ok(None);
                }
                let chunk = spawn_blocking(move || object.chunk(at)).await;
                let chunk = chunk.map_err(io::Error::other)??;
                let next = at + chunk.len() as u64;
                Ok(Some((chunk, next)))
            }
        })
    }

    /// Writes its bytes to `out`.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut at = 0;
        while at < self.length {
            let chunk = self.chunk(at)?;
            out.write_all(&chunk)?;
            at += chunk.len() as u64;
        }
        Ok(())
    }

    fn chunk(&self, at: u64) -> io::Result<Bytes> {
        let length = self.length.saturating_sub(at).min(CHUNK_BYTES);
        let mut chunk = vec![0; length as usize];
        self.file.read_exact_at(&mut chunk, at)?;
        Ok(chunk.into())
    }
}

impl HistoryObjects {
    /// The objects that an earlier run published in `directory`, served until they are published again.
    ///
    /// `as_of` is the event time that they reflect. It is `None` if any racer is banned, because the
    /// ban may be newer than the objects.
    pub fn open(directory: &Path, as_of: Option<EventTime>) -> Self {
        let objects = Self::default();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Some(class) = entry.file_name().to_str().and_then(history::class_of_object) else {
                continue;
            };
            match File::open(entry.path()).and_then(HistoryObject::open) {
                Ok(object) => objects.publish(class, Published { as_of, object: Some(object) }),
                Err(error) => {
                    tracing::warn!(class, %error, "a history object could not be read");
                }
            }
        }
        objects
    }

    /// Waits for the object of a class as of `since` or later. `None` if the class has no records.
    ///
    /// If the published object is older, this requests a new one immediately, without waiting for the
    /// minimum time between two publications.
    pub async fn get(&self, class: ClassId, since: EventTime) -> Option<HistoryObject> {
        let mut published = self.published.subscribe();
        let is_fresh = |published: &BTreeMap<ClassId, Published>| {
            published.get(&class).is_none_or(|published| published.as_of >= Some(since))
        };
        if !is_fresh(&published.borrow_and_update()) {
            self.requested.notify_one();
        }
        let fresh = published.wait_for(is_fresh).await.ok()?;
        fresh.get(&class)?.object.clone()
    }

    /// Waits until a caller of [`Self::get`] requests a new object.
    pub(super) async fn requested(&self) {
        self.requested.notified().await;
    }

    /// The classes that this run or an earlier one published.
    pub(super) fn classes(&self) -> Vec<ClassId> {
        self.published.borrow().keys().copied().collect()
    }

    /// The object of a class that this run or an earlier one published.
    pub(super) fn published(&self, class: ClassId) -> Option<HistoryObject> {
        self.published.borrow().get(&class)?.object.clone()
    }

    pub(super) fn publish(&self, class: ClassId, published: Published) {
        self.published.send_modify(|all| {
            all.insert(class, published);
        });
    }
}
