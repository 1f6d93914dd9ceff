//! A body in memory, counted against the memory budget of all bodies.

use std::io::{BufReader, Read};
use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{bad_body, body_too_large};
use crate::ingest::gunzip::Gunzip;
use crate::serve::error::ApiError;

/// The size limit of a body, both as sent and decompressed.
pub(in crate::serve) const BODY_BYTES_MAX: usize = 8 << 20;

/// The number of bytes that are decompressed at a time.
pub(in crate::serve) const CHUNK_BYTES: usize = 64 << 10;

/// The bytes of a body. They hold permits of the memory budget until the buffer is dropped.
pub(in crate::serve) struct BodyBuffer {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// One permit per byte that all bodies may use together.
    budget: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl BodyBuffer {
    /// An empty buffer for at most `bytes_max` bytes, which takes permits from `budget` as it grows.
    pub(in crate::serve) fn new(budget: Arc<Semaphore>, bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, budget, permit: None }
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// 413 `body_too_large`, and the errors of [`BodyBuffer::reserve`].
    pub(in crate::serve) fn push(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        if self.bytes.len() + chunk.len() > self.bytes_max {
            return Err(body_too_large(self.bytes_max));
        }
        self.reserve(chunk.len())?;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Takes permits for `bytes` of data that is derived from the body and stored elsewhere.
    ///
    /// # Errors
    /// 503 `busy` if the budget of all bodies is used up.
    pub(in crate::serve) fn reserve(&mut self, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).try_acquire_many_owned(bytes).map_err(|_| {
            let message =
                "too many request bodies are being received; send the request again in a second";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
        })?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }

    /// The decompressed body, in a buffer of its own.
    ///
    /// # Errors
    /// The errors of [`BodyBuffer::push`], and 400 `bad_body` for gzip that is damaged or truncated.
    pub(in crate::serve) fn decompressed(&self) -> Result<Self, ApiError> {
        let mut plain = Self::new(Arc::clone(&self.budget), self.bytes_max);
        let mut reader = Gunzip::new(BufReader::new(self.bytes()));
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(plain),
                Ok(length) => plain.push(chunk.get(..length).unwrap_or_default())?,
                Err(error) => return Err(bad_body(error.to_string())),
            }
        }
    }

    pub(in crate::serve) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
