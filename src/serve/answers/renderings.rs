//! Large bodies, rendered once for all clients and for each version of their data.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hashbrown::HashMap;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use velodrome_dataflows::{ClassId, EventTime};
use xxhash_rust::xxh3::xxh3_128;

use super::body::AnswerBody;
use super::budget::{AnswerBudget, AnswerBytes, Counted};
use crate::serve::blocking::task_failed;
use crate::serve::error::ApiError;
use crate::serve::firebase_tree::TreePath;

/// The maximum size of a body: the counts of about a million projects.
const BODY_BYTES_MAX: usize = 64 << 20;
/// The maximum number of bodies to retain for later clients.
const RETAINED_MAX: usize = 256;

/// Identifies a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum RenderingKey {
    /// All view counts: a path of the tree, whether it is shallow, and whether it is indented.
    Tree(TreePath, bool, bool),
    /// The newest finished races of a class, in Alleycat's format.
    Races(ClassId),
}

/// A rendered body, which clients share. It counts against the budget until the last of them has read it
/// and a newer one replaces it.
#[derive(Debug)]
pub(in crate::serve) struct Rendering {
    bytes: Bytes,
    /// The 128-bit xxh3 of its bytes.
    pub(in crate::serve) hash: u128,
    _counted: AnswerBytes,
}

/// The version of a body's data, and the body; `None` if it is too large.
type Rendered = (EventTime, Option<Arc<Rendering>>);
/// The newest rendering of a body. Locked while it is rendered, so that other clients wait for it.
type Slot = Arc<tokio::sync::Mutex<Option<Rendered>>>;

/// The newest renderings. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Renderings {
    budget: AnswerBudget,
    bytes_max: usize,
    slots: Arc<Mutex<HashMap<RenderingKey, Slot>>>,
    /// One body is rendered at a time, so that clients of many bodies use one core and the memory of
    /// one.
    turn: Arc<Semaphore>,
}

impl Renderings {
    /// No renderings yet. They count against `budget`.
    pub(in crate::serve) fn new(budget: AnswerBudget) -> Self {
        Self::with_bytes_max(budget, BODY_BYTES_MAX)
    }

    pub(super) fn with_bytes_max(budget: AnswerBudget, bytes_max: usize) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self { budget, bytes_max, slots: Arc::default(), turn }
    }

    /// The body `key` of data of `version` or later. If there is none, `prepare` returns the data's
    /// current version and a function that renders it.
    ///
    /// # Errors
    /// 413 `answer_too_large` over the maximum size, 503 `answers_full` if the answers of all clients
    /// would be over the budget, or the error of `prepare`.
    pub(in crate::serve) async fn get<R>(
        &self,
        key: RenderingKey,
        version: EventTime,
        prepare: impl AsyncFnOnce() -> Result<(EventTime, R), ApiError>,
    ) -> Result<Arc<Rendering>, ApiError>
    where
        R: FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    {
        let slot = self.slot(key);
        let mut newest = slot.lock().await;
        let is_valid = |(rendered, _): &&Rendered| *rendered >= version;
        if let Some((_, rendering)) = newest.as_ref().filter(is_valid) {
            return rendering.clone().ok_or_else(|| self.too_large());
        }
        // Frees the previous version, if no client is still reading it.
        *newest = None;
        let (version, render) = prepare().await?;
        let bytes = self.render(render).await?;
        let rendering = match bytes {
            Some((bytes, hash)) => {
                let counted = self.count(bytes.len())?;
                Some(Arc::new(Rendering { bytes, hash, _counted: counted }))
            }
            None => None,
        };
        *newest = Some((version, rendering.clone()));
        rendering.ok_or_else(|| self.too_large())
    }

    /// The bytes and their hash; `None` over the maximum size.
    async fn render(
        &self,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Option<(Bytes, u128)>, ApiError> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let mut out = Bounded { bytes: Vec::new(), bytes_max: self.bytes_max, is_over: false };
        let rendered = spawn_blocking(move || {
            // Held until the work ends, even if the client leaves.
            let _turn = turn;
            let rendered = render(&mut out);
            out.bytes.shrink_to_fit();
            let hash = xxh3_128(&out.bytes);
            (rendered, out.is_over, Bytes::from(out.bytes), hash)
        });
        match rendered.await.map_err(task_failed)? {
            (_, true, ..) => Ok(None),
            (Ok(()), _, bytes, hash) => Ok(Some((bytes, hash))),
            (Err(error), ..) => {
                tracing::error!(%error, "an answer could not be rendered");
                Err(ApiError::internal())
            }
        }
    }

    /// Counts the bytes of a new body. Bodies that no client is reading make room for it.
    fn count(&self, bytes: usize) -> Result<AnswerBytes, ApiError> {
        self.budget.acquire(bytes).or_else(|_| {
            self.lock().clear();
            self.budget.acquire(bytes)
        })
    }

    fn slot(&self, key: RenderingKey) -> Slot {
        let mut slots = self.lock();
        if slots.len() >= RETAINED_MAX && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RenderingKey, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn too_large(&self) -> ApiError {
        let message = format!(
            "the answer is larger than {} bytes; read the pages of /v1 instead",
            self.bytes_max
        );
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "answer_too_large", message)
    }
}

impl Rendering {
    /// A response with this body, which shares its bytes.
    pub(in crate::serve) fn response(self: Arc<Self>, content_type: &'static str) -> Response {
        let body = AnswerBody::wrap(Body::from(self.bytes.clone()), self);
        let mut response =
            ([(axum::http::header::CONTENT_TYPE, content_type)], body).into_response();
        response.extensions_mut().insert(Counted);
        response
    }
}

/// Collects bytes, and fails over the maximum.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_over |= self.bytes.len() + bytes.len() > self.bytes_max;
        if self.is_over {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
