//! Uploads: history objects on their way to a bucket, the newest of each class.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use velodrome_dataflows::{ClassId, Clock};

use super::objects::Object;
use crate::health::Part;
use crate::results::history;
use crate::store::{Acl, Condition, Form, Put, Store, StoreError};

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
type Upload = (ClassId, Clock, Result<Put, StoreError>);

/// The uploads of a publisher.
#[derive(Debug)]
pub struct Uploads {
    bucket: Arc<dyn Store>,
    acl: Option<Acl>,
    part: Part,
    /// What is still to be there, by class.
    wanted: BTreeMap<ClassId, Wanted>,
    running: JoinSet<Upload>,
}

/// What is to be in the bucket of a class.
#[derive(Debug)]
struct Wanted {
    /// The time that it is of.
    read: Clock,
    /// None where there are no records.
    object: Option<Object>,
    is_running: bool,
    /// When it is tried again, and how long after that.
    due: Instant,
    retry: Duration,
    error: Option<String>,
}

impl Uploads {
    /// Uploads to `bucket`, where those whom `acl` names may read too; `part` is told how it goes.
    pub fn new(bucket: Arc<dyn Store>, acl: Option<Acl>, part: Part) -> Self {
        Self { bucket, acl, part, wanted: BTreeMap::new(), running: JoinSet::new() }
    }

    /// The object of a class as of `read` is to be there, or none.
    pub(super) fn want(&mut self, class: ClassId, read: Clock, object: Option<Object>) {
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
                if put == Put::Kept {
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
            Some(error) => self.part.fail(error),
            None => self.part.well(),
        }
    }
}

/// Puts a class's object into the bucket, or takes it away where there is none.
fn upload(
    bucket: &dyn Store,
    acl: Option<Acl>,
    class: ClassId,
    read: Clock,
    object: Option<Object>,
) -> Result<Put, StoreError> {
    let key = history::name(class);
    let Some(object) = object else { return bucket.remove(&key).map(|()| Put::Done) };
    let condition = Condition::NotNewerThan(read);
    let form = Form { content_type: "application/gzip", condition, acl };
    bucket.put(&key, form, &mut |out| object.write(out))
}
