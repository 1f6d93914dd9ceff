//! The file of a published history object: its identity, and its bytes while it is open.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::hashing_writer::HashingWriter;
use crate::file_id::FileId;

/// Bytes of an object in memory for each client that downloads it. A connection buffers about as much
/// before it waits for the client.
const CHUNK_BYTES: u64 = 32 << 10;

/// A published object as a file that is opened on demand, so that classes need no open files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HistoryFile {
    path: PathBuf,
    /// Distinguishes the file from one that replaces it.
    id: FileId,
    modified: SystemTime,
    length: u64,
    hash: u128,
}

/// An open object. It stays readable when its file is replaced.
#[derive(Clone, Debug)]
pub struct HistoryObject {
    file: Arc<File>,
    /// Length in bytes.
    pub length: u64,
    /// The 128-bit xxh3 of its bytes.
    pub hash: u128,
    /// Limits the open objects.
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl HistoryFile {
    /// The object in the file at `path`. Reads the file to its end to hash it.
    pub(super) fn read(path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let mut hashed = HashingWriter::new(io::sink());
        io::copy(&mut file, &mut hashed)?;
        Self::new(path, &file.metadata()?, hashed.finish())
    }

    /// The object in the file at `path`, with its length and hash.
    pub(super) fn new(
        path: PathBuf,
        metadata: &Metadata,
        (length, hash): (u64, u128),
    ) -> io::Result<Self> {
        Ok(Self { path, id: metadata.into(), modified: metadata.modified()?, length, hash })
    }

    /// The length and hash of its content.
    pub(super) fn end(&self) -> (u64, u128) {
        (self.length, self.hash)
    }

    /// Opens the file. Returns `None` if it was removed or replaced.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn open(
        &self,
        permit: Option<OwnedSemaphorePermit>,
    ) -> io::Result<Option<HistoryObject>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let metadata = file.metadata()?;
        let found = (FileId::from(&metadata), metadata.modified()?, metadata.len());
        if found != (self.id, self.modified, self.length) {
            return Ok(None);
        }
        Ok(Some(HistoryObject {
            file: Arc::new(file),
            length: self.length,
            hash: self.hash,
            _permit: permit.map(Arc::new),
        }))
    }
}

impl HistoryObject {
    /// Its bytes in chunks. Each chunk is read on demand, on a blocking thread.
    pub fn chunks(self) -> impl Stream<Item = io::Result<Bytes>> {
        try_unfold(0, move |at| {
            let object = self.clone();
            async move {
                if at >= object.length {
                    return Ok(None);
                }
                let chunk = spawn_blocking(move || object.chunk(at)).await;
                let chunk = chunk.map_err(io::Error::other)??;
                let next = at + chunk.len() as u64;
                Ok(Some((chunk, next)))
            }
        })
    }

    /// Writes its bytes to `out`.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut at = 0;
        while at < self.length {
            let chunk = self.chunk(at)?;
            out.write_all(&chunk)?;
            at += chunk.len() as u64;
        }
        Ok(())
    }

    fn chunk(&self, at: u64) -> io::Result<Bytes> {
        let length = self.length.saturating_sub(at).min(CHUNK_BYTES);
        let mut chunk = vec![0; length as usize];
        self.file.read_exact_at(&mut chunk, at)?;
        Ok(chunk.into())
    }
}
