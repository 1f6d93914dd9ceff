//! The storage of redb on a simulated disk.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use redb::StorageBackend;

use crate::disk::File;

/// A file of redb.
#[derive(Debug)]
pub(crate) struct Backend(File);

impl Backend {
    /// Creates an empty file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(Self)
    }

    /// Opens a file that is not empty, as redb requires.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open_existing(path)?;
        match file.std().metadata()?.len() {
            0 => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(Self(file)),
        }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.std().metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.std().read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}
