//! Request bodies: their format, and reading them in bounded memory.

mod buffer;
mod error;
mod format;
mod memory;
mod read;
#[cfg(test)]
mod tests;

pub(super) use buffer::{BODY_BYTES_MAX, BodyBuffer, CHUNK_BYTES};
pub(super) use error::{bad_body, body_too_large, too_large, unsupported_media_type};
pub(super) use format::{BodyFormat, BodySyntax};
pub(super) use memory::BodyMemory;
pub(super) use read::{read, send_chunks};
