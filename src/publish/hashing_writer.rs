//! A writer that hashes what passes through it.

use std::io::{self, Write};

use xxhash_rust::xxh3::Xxh3;

/// Forwards what is written, and computes its length and hash.
pub(super) struct HashingWriter<W> {
    to: W,
    length: u64,
    hash: Box<Xxh3>,
}

impl<W: Write> HashingWriter<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, length: 0, hash: Box::default() }
    }

    /// The length in bytes and the 128-bit hash of what was written.
    pub(super) fn finish(self) -> (u64, u128) {
        (self.length, self.hash.digest128())
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
