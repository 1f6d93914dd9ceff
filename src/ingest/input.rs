//! One input of a run: a file, an object, a stream, or a source with several parts.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::wrapping::Wrapping;
use crate::store::{Object, Store};

/// One input of a run.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where its bytes are.
    pub origin: Origin,
    /// How to read its bytes.
    pub kind: InputKind,
    /// Its size in bytes, 0 if it is unknown.
    pub bytes: u64,
}

/// Where the bytes of an input are.
#[derive(Clone, Debug)]
pub enum Origin {
    /// In a file at this path.
    File(PathBuf),
    /// In a stream that can be read only once: a pipe at this path, or `-` for standard input.
    Stream(PathBuf),
    /// In this object, in the version that was listed.
    Object(Arc<dyn Store>, Object),
    /// In the parts of a source.
    Parts(Arc<dyn PartSource>),
}

/// A source of lines in several parts, each of which is read independently.
pub trait PartSource: fmt::Debug + Send + Sync {
    /// The name of the source in messages.
    fn name(&self) -> String;

    /// Opens the lines of part `part`, counted from 0.
    ///
    /// # Errors
    /// If the part cannot be opened. Reading from it can fail, too.
    fn open(&self, part: u64) -> io::Result<Box<dyn Read>>;
}

/// How to read the bytes of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Uncompressed lines, which can be read from any offset.
    Plain,
    /// Lines that may be compressed or elements of an array. Their first bytes decide when they are
    /// opened.
    Detect,
    /// Uncompressed lines in this many parts.
    Parts(u64),
}

impl InputKind {
    /// Detects the kind of an input from its first bytes.
    ///
    /// # Errors
    /// If the bytes cannot be read.
    pub(super) fn of_content(bytes: impl Read + 'static) -> io::Result<Self> {
        let (wrapping, _) = Wrapping::detect(bytes)?;
        Ok(if wrapping == Wrapping::Lines { Self::Plain } else { Self::Detect })
    }
}

impl Input {
    /// An input of the uncompressed lines in the file at `path`.
    ///
    /// # Errors
    /// If the file does not exist or its metadata cannot be read.
    pub(crate) fn plain(path: &Path) -> io::Result<Self> {
        let bytes = fs::metadata(path)?.len();
        Ok(Self { origin: Origin::File(path.to_owned()), kind: InputKind::Plain, bytes })
    }

    /// An input of a compressed object in `store`.
    pub(crate) fn compressed(store: &Arc<dyn Store>, object: Object) -> Self {
        let bytes = object.bytes;
        Self { origin: Origin::Object(Arc::clone(store), object), kind: InputKind::Detect, bytes }
    }

    /// Its name in messages: its path as given or found, or `s3://bucket/key`.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.origin {
            Origin::File(path) | Origin::Stream(path) => path.to_string_lossy(),
            Origin::Object(store, object) => store.name(&object.key).into(),
            Origin::Parts(parts) => parts.name().into(),
        }
    }

    /// Whether its name says that it is gzip.
    pub(crate) fn is_named_gzip(&self) -> bool {
        self.name().ends_with(".gz")
    }

    /// Opens the bytes of the input, starting at the offset `from`. A file that has grown since it was
    /// listed ends at its listed size; one that has shrunk fails there.
    ///
    /// A stream always starts at its beginning. For an input of parts, `from` is the number of the part.
    ///
    /// # Errors
    /// If the input cannot be opened.
    pub(crate) fn open(&self, from: u64) -> io::Result<Box<dyn Read>> {
        match &self.origin {
            Origin::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                Ok(Box::new(ListedFile { file, left: self.bytes.saturating_sub(from) }))
            }
            Origin::Stream(path) if path.as_os_str() == "-" => Ok(Box::new(io::stdin())),
            Origin::Stream(path) => Ok(Box::new(File::open(path)?)),
            Origin::Object(store, object) => {
                Ok(store.read(object, from).map_err(|error| error.reason)?)
            }
            Origin::Parts(parts) => parts.open(from),
        }
    }
}

/// The bytes of a file that it had when it was listed.
struct ListedFile {
    file: File,
    /// How many of these bytes were not read yet.
    left: u64,
}

impl Read for ListedFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.by_ref().take(self.left).read(out)?;
        if read == 0 && self.left > 0 && !out.is_empty() {
            let message = "the file has become shorter since it was listed; run the command again";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
