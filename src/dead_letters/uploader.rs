//! The uploader: moves closed files from the spool to the archive.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use thiserror::Error;

use super::queue::DeadLetterQueue;
use super::spool::SpoolError;
use crate::ingest::object_names;
use crate::store::{Condition, PutOptions, Store, StoreError};

/// The interval between checks of the spool. In one interval the archive can accept far more than can
/// arrive.
const INTERVAL: Duration = Duration::from_secs(1);

/// The media type is the most common one for lines of JSON; none is registered.
const OPTIONS: PutOptions =
    PutOptions { content_type: "application/x-ndjson", condition: Condition::Always, acl: None };

/// Why a file stays in the spool.
#[derive(Debug, Error)]
enum UploadError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("cannot read a file of dead letters: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Uploads dead letters to the archive.
#[derive(Debug)]
pub struct Uploader {
    queue: DeadLetterQueue,
    archive: Arc<dyn Store>,
}

impl Uploader {
    /// An uploader from `queue` to `archive`.
    pub fn new(queue: DeadLetterQueue, archive: Arc<dyn Store>) -> Self {
        Self { queue, archive }
    }

    /// Uploads until the sender of `stopped` is dropped. Files that are left are uploaded after the next
    /// start.
    pub fn run(self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.upload_closed(stopped);
        }
    }

    /// Uploads all files that are closed by now, and reports the result to `/readyz`.
    pub(crate) fn upload_closed(&self, stopped: &Receiver<()>) {
        match self.try_upload_closed(stopped) {
            Ok(()) => self.queue.component().set_ok(),
            Err(error) => self.queue.component().fail(error),
        }
    }

    fn try_upload_closed(&self, stopped: &Receiver<()>) -> Result<(), UploadError> {
        let closed = {
            let mut spool = self.queue.spool();
            spool.close_old(self.queue.now_ms());
            spool.closed()?
        };
        for name in closed {
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                break;
            }
            let Some(key) = object_names::failed_object_key(&name) else { continue };
            let path = self.queue.spool().path(&name);
            let mut file = File::open(&path)?;
            // After a loss of power, a file that was put and removed can be here again, with damage. A
            // file that a backup copied while it was written is only the beginning of its object.
            let (bytes, object) = (file.metadata()?.len(), self.archive.find(&key)?);
            if object.is_none_or(|object| object.bytes < bytes) {
                self.archive.put(&key, OPTIONS, &mut |out| io::copy(&mut file, out).map(drop))?;
            }
            let mut spool = self.queue.spool();
            spool.remove(&name)?;
            self.queue.publish_size(&spool);
        }
        Ok(())
    }
}
