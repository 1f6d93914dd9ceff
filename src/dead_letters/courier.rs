//! The courier: brings closed files of the spool to the archive.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use metrics::gauge;
use thiserror::Error;

use super::{DeadLetters, SpoolError};
use crate::ingest::objects;
use crate::store::{Condition, Form, Store, StoreError};

/// How often the spool is looked at. In that time it takes more than comes by far.
const LOOK: Duration = Duration::from_secs(1);

/// Lines of JSON; the name under which most know them.
const FORM: Form =
    Form { content_type: "application/x-ndjson", condition: Condition::Always, acl: None };

/// Letters that stay in the spool.
#[derive(Debug, Error)]
enum CourierError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the courier works with.
#[derive(Debug)]
pub struct Courier {
    letters: DeadLetters,
    archive: Arc<dyn Store>,
}

impl Courier {
    /// Brings `letters` to `archive`.
    pub fn new(letters: DeadLetters, archive: Arc<dyn Store>) -> Self {
        Self { letters, archive }
    }

    /// Works until `stopped` hangs up. What waits then does so until the next start.
    pub fn run(self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            self.look(stopped);
        }
    }

    /// Brings all that is closed by now.
    pub(super) fn look(&self, stopped: &Receiver<()>) {
        match self.bring(stopped) {
            Ok(()) => self.letters.0.part.well(),
            Err(error) => self.letters.0.part.fail(error),
        }
    }

    fn bring(&self, stopped: &Receiver<()>) -> Result<(), CourierError> {
        let closed = {
            let mut spool = self.letters.spool();
            spool.close_old(self.letters.0.clock.now());
            spool.closed()?
        };
        for name in closed {
            if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                break;
            }
            let Some(key) = objects::failed_key(&name) else { continue };
            let path = self.letters.spool().file(&name);
            // After a crash in between it is put again, which changes nothing.
            self.archive
                .put(&key, FORM, &mut |out| io::copy(&mut File::open(&path)?, out).map(drop))?;
            let mut spool = self.letters.spool();
            spool.remove(&name)?;
            gauge!("velodrome_dead_letters_spool_bytes").set(spool.bytes() as f64);
        }
        Ok(())
    }
}
