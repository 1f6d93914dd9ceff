//! The history objects that are published: open files, which stay whole when others take their place.

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

use super::hashed::Hashed;
use crate::results::history;

/// How much of an object is in memory for each client that takes it: what a connection buffers
/// before it waits for the client.
const PIECE_BYTES: u64 = 32 << 10;

/// A published object. Its file is replaced and never written again, so that these belong together.
#[derive(Clone, Debug)]
pub struct Object {
    file: Arc<File>,
    /// In bytes.
    pub length: u64,
    /// The 128-bit xxh3 of its bytes.
    pub hash: u128,
}

/// What was published last of a class.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// The time that it is of, where it is known that nobody who is banned is in it.
    pub(super) read: Option<EventTime>,
    /// None where there were no records.
    pub(super) object: Option<Object>,
}

/// The published objects; clones are handles of the same ones.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    published: watch::Sender<BTreeMap<ClassId, Published>>,
    nudged: Arc<Notify>,
}

impl Object {
    /// The object in `file`, which is read to its end to be hashed.
    pub(super) fn open(mut file: File) -> io::Result<Self> {
        let mut hashed = Hashed::new(io::sink());
        io::copy(&mut file, &mut hashed)?;
        Ok(Self::new(file, hashed.end()))
    }

    /// The object in `file`, of this length and hash.
    pub(super) fn new(file: File, (length, hash): (u64, u128)) -> Self {
        Self { file: Arc::new(file), length, hash }
    }

    /// Its bytes, piece by piece, each read when it is asked for, off the runtime's threads.
    pub fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> {
        try_unfold(0, move |at| {
            let object = self.clone();
            async move {
                if at >= object.length {
                    return Ok(None);
                }
                let piece = spawn_blocking(move || object.piece(at)).await;
                let piece = piece.map_err(io::Error::other)??;
                let next = at + piece.len() as u64;
                Ok(Some((piece, next)))
            }
        })
    }

    /// Writes its bytes.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut at = 0;
        while at < self.length {
            let piece = self.piece(at)?;
            out.write_all(&piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn piece(&self, at: u64) -> io::Result<Bytes> {
        let length = self.length.saturating_sub(at).min(PIECE_BYTES);
        let mut piece = vec![0; length as usize];
        self.file.read_exact_at(&mut piece, at)?;
        Ok(piece.into())
    }
}

impl Objects {
    /// What an earlier run published in `directory`, until it is published anew: as of `read`, or of none
    /// where somebody is banned, who may have been banned since then.
    pub fn open(directory: &Path, read: Option<EventTime>) -> Self {
        let objects = Self::default();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Some(class) = entry.file_name().to_str().and_then(history::class_of) else {
                continue;
            };
            match File::open(entry.path()).and_then(Object::open) {
                Ok(object) => objects.publish(class, Published { read, object: Some(object) }),
                Err(error) => {
                    tracing::warn!(class, %error, "a history object could not be read");
                }
            }
        }
        objects
    }

    /// The object of a class, once it is not of before `since`; none where there is none. It is then
    /// published anew where need be, whatever a minute says.
    pub async fn get(&self, class: ClassId, since: EventTime) -> Option<Object> {
        let mut published = self.published.subscribe();
        let is_fresh = |published: &BTreeMap<ClassId, Published>| {
            published.get(&class).is_none_or(|published| published.read >= Some(since))
        };
        if !is_fresh(&published.borrow_and_update()) {
            self.nudged.notify_one();
        }
        let fresh = published.wait_for(is_fresh).await.ok()?;
        fresh.get(&class)?.object.clone()
    }

    /// Waits until somebody waits for an object that is to be published anew.
    pub(super) async fn nudged(&self) {
        self.nudged.notified().await;
    }

    /// Which classes were published, this run or an earlier one.
    pub(super) fn classes(&self) -> Vec<ClassId> {
        self.published.borrow().keys().copied().collect()
    }

    pub(super) fn publish(&self, class: ClassId, published: Published) {
        self.published.send_modify(|all| {
            all.insert(class, published);
        });
    }
}
