//! A writer that compares bytes with a reader instead of storing them.

use std::io::{self, ErrorKind, Read};

use super::interface::WriteBody;

/// Compares the bytes written to it with those of `existing`.
pub(super) struct CompareWriter<R> {
    existing: R,
    is_same: bool,
}

impl<R: Read> CompareWriter<R> {
    /// Whether `write` writes exactly the bytes of `existing`.
    ///
    /// # Errors
    /// `existing` or `write` failed.
    pub(super) fn is_same(existing: R, write: WriteBody<'_>) -> io::Result<bool> {
        let mut compare = Self { existing, is_same: true };
        write(&mut compare)?;
        Ok(compare.is_same && compare.existing.read(&mut [0])? == 0)
    }
}

impl<R: Read> io::Write for CompareWriter<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_same {
            let mut existing = vec![0; bytes.len()];
            self.is_same = match self.existing.read_exact(&mut existing) {
                Ok(()) => existing == bytes,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
                Err(error) => return Err(error),
            };
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
