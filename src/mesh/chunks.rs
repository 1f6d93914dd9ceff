//! Divides what timely sends into chunks, so that signs of life can be sent between them.
//!
//! A chunk begins with its length, a big-endian integer of 32 bits. A chunk without bytes is a sign of life. timely itself
//! sends nothing while no worker can advance, so its silence says nothing about the peer.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Mutex;

use super::mutex::lock;

const LENGTH_BYTES: usize = 4;

/// The maximum length of a chunk. timely writes less at a time, except for long messages.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Writes chunks. Several threads can use it.
#[derive(Debug, Default)]
pub(super) struct ChunkWriter(Mutex<Vec<u8>>);

impl ChunkWriter {
    /// Writes `bytes`.
    pub(super) fn write(&self, mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
        let mut chunk = lock(&self.0);
        for bytes in bytes.chunks(CHUNK_BYTES_MAX) {
            chunk.clear();
            chunk.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            chunk.extend_from_slice(bytes);
            // In one write, so that a small message is one packet.
            to.write_all(&chunk)?;
        }
        Ok(())
    }

    /// Writes a sign of life, unless a chunk is being written.
    pub(super) fn write_sign_of_life(&self, mut to: impl Write) -> io::Result<()> {
        match self.0.try_lock() {
            Ok(_chunk) => to.write_all(&[0; LENGTH_BYTES]),
            Err(_) => Ok(()),
        }
    }
}

/// The position in a stream of chunks.
#[derive(Debug, Default)]
pub(super) struct ChunkReader {
    /// The bytes of the current chunk that are still to come.
    left: usize,
}

impl ChunkReader {
    /// Reads bytes, and skips signs of life. Returns 0 at the end of the stream.
    pub(super) fn read(&mut self, mut from: impl Read, bytes: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let mut length = [0; LENGTH_BYTES];
            match from.read_exact(&mut length) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => read?,
            }
            self.left = u32::from_be_bytes(length) as usize;
        }
        let limit = self.left.min(bytes.len());
        let read = from.read(bytes.get_mut(..limit).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_without_the_signs_of_life_between_them() {
        let (writer, mut sent) = (ChunkWriter::default(), Vec::new());
        let bytes: Vec<_> = (0..3_000_000).map(|at| (at % 251) as u8).collect();
        let mut rest = &bytes[..];
        for length in [1, 70_000, 2_500_000, 0].into_iter().cycle() {
            writer.write_sign_of_life(&mut sent).unwrap();
            let (part, after) = rest.split_at(length.min(rest.len()));
            writer.write(&mut sent, part).unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        writer.write_sign_of_life(&mut sent).unwrap();
        let (mut reader, mut from, mut received) = (ChunkReader::default(), &sent[..], Vec::new());
        for limit in [1, 100, 50_000].into_iter().cycle() {
            let mut buffer = vec![0; limit];
            match reader.read(&mut from, &mut buffer).unwrap() {
                0 => break,
                read => received.extend_from_slice(&buffer[..read]),
            }
        }
        assert!(received == bytes);
    }

    #[test]
    fn a_chunk_that_is_being_written_is_not_interrupted() {
        let writer = ChunkWriter::default();
        let chunk = lock(&writer.0);
        let mut sent = Vec::new();
        writer.write_sign_of_life(&mut sent).unwrap();
        assert!(sent.is_empty());
        drop(chunk);
        writer.write_sign_of_life(&mut sent).unwrap();
        assert_eq!(sent, [0; 4]);
    }
}
