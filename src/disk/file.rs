//! A file that is open for writing.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

#[cfg(test)]
use super::tests::simulated;

/// A file that is open for writing.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    #[cfg(test)]
    simulated: Option<simulated::Handle>,
}

impl File {
    /// Creates the file at `path`, or truncates it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn create(path: &Path) -> io::Result<Self> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
        Self::open(path, &options, false)
    }

    /// Creates the file at `path`. All writes are appended to it, also after a truncation.
    ///
    /// # Errors
    /// When the file exists or cannot be created.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        let options = OpenOptions::new().append(true).create_new(true).clone();
        Self::open(path, &options, true)
    }

    /// Opens the existing file at `path`, for reading too.
    ///
    /// # Errors
    /// When the file does not exist or cannot be opened.
    pub fn open_existing(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().read(true).write(true), false)
    }

    fn open(path: &Path, options: &OpenOptions, _appends: bool) -> io::Result<Self> {
        #[cfg(test)]
        if let Some(disk) = simulated::find(path) {
            let (file, handle) = disk.open(path, options, _appends)?;
            return Ok(Self { file, simulated: Some(handle) });
        }
        Ok(Self {
            file: options.open(path)?,
            #[cfg(test)]
            simulated: None,
        })
    }

    /// Truncates or extends the file to `length` bytes.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some(handle) = &self.simulated {
            return handle.set_len(&self.file, length);
        }
        self.file.set_len(length)
    }

    /// Makes the contents and all metadata durable.
    ///
    /// # Errors
    /// When the disk fails. It is then unknown what is durable.
    pub fn sync_all(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(handle) = &self.simulated {
            return handle.sync();
        }
        self.file.sync_all()
    }

    /// Makes the contents and the length durable.
    ///
    /// # Errors
    /// When the disk fails. It is then unknown what is durable.
    pub fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(handle) = &self.simulated {
            return handle.sync();
        }
        self.file.sync_data()
    }

    /// Sets the time of the last modification.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }

    /// Continues to write at `offset`, unless writes are appended.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn seek_to(&self, offset: u64) -> io::Result<()> {
        (&self.file).seek(SeekFrom::Start(offset)).map(drop)
    }

    /// The file, for reading.
    pub fn into_std(self) -> fs::File {
        self.file
    }

    /// Writes all of `bytes` at `offset`.
    #[cfg(test)]
    pub(crate) fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        let handle = self.simulated.as_ref().unwrap();
        while !bytes.is_empty() {
            let written = handle.write_at(&self.file, offset, bytes)?;
            (bytes, offset) = (&bytes[written..], offset + written as u64);
        }
        Ok(())
    }

    /// The file, for reading.
    #[cfg(test)]
    pub(crate) fn std(&self) -> &fs::File {
        &self.file
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(handle) = &self.simulated {
            return handle.write(&self.file, bytes);
        }
        (&self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
