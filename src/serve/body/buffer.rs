//! A body in memory, counted against the memory budget of all bodies.

use std::io::{BufReader, Read};

use axum::http::StatusCode;

use super::error::{bad_body, body_too_large};
use super::memory::MemoryShare;
use crate::ingest::gunzip::Gunzip;
use crate::serve::error::ApiError;

/// The size limit of a body, both as sent and decompressed.
pub(in crate::serve) const BODY_BYTES_MAX: usize = 8 << 20;

/// The number of bytes that are decompressed at a time.
pub(in crate::serve) const CHUNK_BYTES: usize = 64 << 10;

/// What some editors and libraries put before UTF-8 text. It is no part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes of a body. They use the memory of all bodies until the buffer is dropped.
pub(in crate::serve) struct BodyBuffer {
    bytes: Vec<u8>,
    bytes_max: usize,
    share: MemoryShare,
}

impl BodyBuffer {
    /// An empty buffer for at most `bytes_max` bytes, whose `share` of memory grows with it.
    pub(in crate::serve) fn new(share: MemoryShare, bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, share }
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

    /// Reserves memory for `bytes` of data that is derived from the body and stored elsewhere.
    ///
    /// # Errors
    /// 503 `busy` if this client's share of the memory of all bodies is used up.
    pub(in crate::serve) fn reserve(&mut self, bytes: usize) -> Result<(), ApiError> {
        if self.share.grow(bytes) {
            return Ok(());
        }
        let message =
            "too many request bodies are being received; send the request again in a second";
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1))
    }

    /// The decompressed body, in a buffer of its own.
    ///
    /// # Errors
    /// The errors of [`BodyBuffer::push`], and 400 `bad_body` for gzip that is damaged or truncated.
    pub(in crate::serve) fn decompressed(&self) -> Result<Self, ApiError> {
        let mut plain = Self::new(self.share.another(), self.bytes_max);
        let mut reader = Gunzip::new(BufReader::new(&*self.bytes));
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(plain),
                Ok(length) => plain.push(chunk.get(..length).unwrap_or_default())?,
                Err(error) => return Err(bad_body(error.to_string())),
            }
        }
    }

    /// The bytes, without a byte order mark at their start.
    pub(in crate::serve) fn bytes(&self) -> &[u8] {
        self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes)
    }
}
