//! Bytes that are compared with others instead of being kept.

use std::io::{self, ErrorKind, Read};

use super::Write;

/// Takes bytes and holds them against those that `there` gives.
pub(super) struct Compared<R> {
    there: R,
    is_same: bool,
}

impl<R: Read> Compared<R> {
    /// Whether `write` writes what `there` holds, all of it.
    ///
    /// # Errors
    /// Those of both.
    pub(super) fn is_same(there: R, write: Write<'_>) -> io::Result<bool> {
        let mut compared = Self { there, is_same: true };
        write(&mut compared)?;
        Ok(compared.is_same && compared.there.read(&mut [0])? == 0)
    }
}

impl<R: Read> io::Write for Compared<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_same {
            let mut there = vec![0; bytes.len()];
            self.is_same = match self.there.read_exact(&mut there) {
                Ok(()) => there == bytes,
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
