//! What a run reads: files, objects, directories and prefixes walked in the order of keys, standard
//! input.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::units::CHUNK_BYTES;
use crate::lazy_aws::LazyAws;
use crate::store::{Location, LocationError, Object, OpenError, Store, StoreError};

/// The first bytes of a gzip member (RFC 1952).
pub const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The folder of lines that are no events, below an archive; it is passed over.
const NO_EVENTS: &str = "processing-failed";

/// One input, in the order that the run takes them.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where its bytes are.
    pub origin: Origin,
    /// How its bytes are to be read.
    pub kind: InputKind,
    /// Its size in bytes, 0 where nobody knows.
    pub bytes: u64,
}

/// Where the bytes of an input are.
#[derive(Clone, Debug)]
pub enum Origin {
    /// In a file at this path.
    File(PathBuf),
    /// In a stream that gives them once: a pipe at this path, or `-`, standard input.
    Stream(PathBuf),
    /// In an object of this key.
    Object(Arc<dyn Store>, String),
    /// In parts that are elsewhere.
    Parts(Arc<dyn Parts>),
}

/// What gives lines in parts, each of which is read on its own.
pub trait Parts: fmt::Debug + Send + Sync {
    /// What people call it.
    fn name(&self) -> String;

    /// The lines of part `part`, from 0.
    ///
    /// # Errors
    /// One that cannot be opened; so do the reads.
    fn open(&self, part: u64) -> io::Result<Box<dyn Read>>;
}

/// How the bytes of an input are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Lines as they stand.
    Plain,
    /// One or more gzip members.
    Gzip,
    /// Either of both, told by its first bytes when it is opened: a stream, a small object.
    Either,
    /// Lines as they stand, in so many parts.
    Parts(u64),
}

/// An input that cannot be used.
#[derive(Debug, Error)]
pub enum InputError {
    /// A path that cannot be read.
    #[error("cannot read '{0}': {1}")]
    Read(PathBuf, io::Error),
    /// A directory or bucket without a file in it.
    #[error("'{0}' holds no file; name a directory or bucket that holds .jsonl or .gz files")]
    Empty(PathBuf),
    /// A text that names no bucket.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A store that cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A store that cannot be listed or read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Input {
    /// The plain lines in the file at `path`.
    ///
    /// # Errors
    /// A file that is not there.
    pub(crate) fn plain(path: &Path) -> io::Result<Self> {
        let bytes = fs::metadata(path)?.len();
        Ok(Self { origin: Origin::File(path.to_owned()), kind: InputKind::Plain, bytes })
    }

    /// A gzip object of `store`.
    pub(crate) fn gzip(store: &Arc<dyn Store>, object: Object) -> Self {
        let origin = Origin::Object(Arc::clone(store), object.key);
        Self { origin, kind: InputKind::Gzip, bytes: object.bytes }
    }

    /// What people call it: its path as given or found, or `s3://bucket/key`.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.origin {
            Origin::File(path) | Origin::Stream(path) => path.to_string_lossy(),
            Origin::Object(store, key) => store.name(key).into(),
            Origin::Parts(parts) => parts.name().into(),
        }
    }

    /// Its bytes from an offset on; a stream's from its beginning; of parts, those of part `from`.
    ///
    /// # Errors
    /// One that cannot be opened.
    pub(crate) fn open(&self, from: u64) -> io::Result<Box<dyn Read>> {
        match &self.origin {
            Origin::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                Ok(Box::new(file))
            }
            Origin::Stream(path) if path.as_os_str() == "-" => Ok(Box::new(io::stdin())),
            Origin::Stream(path) => Ok(Box::new(File::open(path)?)),
            Origin::Object(store, key) => {
                let object = Object { key: key.clone(), bytes: self.bytes };
                Ok(store.read(&object, from).map_err(|error| error.reason)?)
            }
            Origin::Parts(parts) => parts.open(from),
        }
    }
}

/// Lists the inputs of `paths` in order. Directories and buckets are walked in the order of their keys,
/// so that both give the same order, without hidden files and what failed processing; what is not on
/// this machine is found through `lazy_aws`.
///
/// # Errors
/// A path that is missing or cannot be read; directories that hold no file at all.
pub fn list(paths: &[PathBuf], lazy_aws: &LazyAws) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let origin = Origin::Stream(path.clone());
            inputs.push(Input { origin, kind: InputKind::Either, bytes: 0 });
            continue;
        }
        match location(path)? {
            Location::Directory(path) => walk(&path, &mut inputs)?,
            Location::Bucket(bucket, prefix) => objects(bucket, &prefix, lazy_aws, &mut inputs)?,
        }
    }
    match paths.first() {
        Some(path) if inputs.is_empty() => Err(InputError::Empty(path.clone())),
        _ => Ok(inputs),
    }
}

/// What a path names; one that is no text is no bucket.
fn location(path: &Path) -> Result<Location, LocationError> {
    path.to_str().map_or_else(|| Ok(Location::Directory(path.to_owned())), str::parse)
}

fn walk(path: &Path, inputs: &mut Vec<Input>) -> Result<(), InputError> {
    let failed = |e| InputError::Read(path.to_owned(), e);
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        let (origin, bytes) = (path.to_owned(), metadata.len());
        // What a pipe gives is gone once it is read, so nothing of it is looked at here.
        inputs.push(match metadata.is_file() {
            true => {
                let kind = kind(path).map_err(failed)?;
                Input { origin: Origin::File(origin), kind, bytes }
            }
            false => Input { origin: Origin::Stream(origin), kind: InputKind::Either, bytes },
        });
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let path = path.join(&name);
        let mut key = name.into_encoded_bytes();
        if !key.starts_with(b".") {
            // As the keys of objects sort: a folder's go on with a slash.
            key.extend(path.is_dir().then_some(b'/'));
            entries.push((key, path));
        }
    }
    entries.retain(|(key, _)| key.strip_suffix(b"/") != Some(NO_EVENTS.as_bytes()));
    entries.sort();
    entries.iter().try_for_each(|(_, path)| walk(path, inputs))
}

/// The objects below a prefix, or the one that it names.
fn objects(
    bucket: String,
    prefix: &str,
    lazy_aws: &LazyAws,
    inputs: &mut Vec<Input>,
) -> Result<(), InputError> {
    let store = Location::Bucket(bucket, String::new()).open(lazy_aws)?;
    let before = inputs.len();
    for object in store.walk(prefix) {
        let object = object?;
        let below = object.key.strip_prefix(prefix).unwrap_or_default();
        let mut folders = below.rsplit('/').skip(1);
        if !below.split('/').any(|name| name.starts_with('.'))
            && !folders.any(|folder| folder == NO_EVENTS)
        {
            inputs.push(input(&store, object)?);
        }
    }
    let named = prefix.strip_suffix('/').unwrap_or_default();
    if inputs.len() == before && !named.is_empty() {
        // Of all keys that begin with it, it is the first.
        let first = store.walk(named).next().transpose()?;
        let itself = first.filter(|object| object.key == named);
        inputs.extend(itself.map(|object| input(&store, object)).transpose()?);
    }
    Ok(())
}

/// An object as an input. Only a large one is looked into here: it is to be cut where it is plain.
fn input(store: &Arc<dyn Store>, object: Object) -> Result<Input, StoreError> {
    let kind = if object.bytes > 0 && object.key.ends_with(".gz") {
        InputKind::Gzip
    } else if object.bytes <= CHUNK_BYTES {
        InputKind::Either
    } else {
        let failed = |reason| StoreError { action: "read", name: store.name(&object.key), reason };
        by_content(store.read(&object, 0)?).map_err(failed)?
    };
    Ok(Input { origin: Origin::Object(Arc::clone(store), object.key), kind, bytes: object.bytes })
}

/// By content, and by name where the content is damaged from the start.
fn kind(path: &Path) -> io::Result<InputKind> {
    let file = File::open(path)?;
    let named = path.extension().is_some_and(|extension| extension == "gz");
    match named && file.metadata()?.len() > 0 {
        true => Ok(InputKind::Gzip),
        false => by_content(file),
    }
}

fn by_content(bytes: impl Read) -> io::Result<InputKind> {
    let mut start = Vec::new();
    bytes.take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(if start == GZIP_MAGIC { InputKind::Gzip } else { InputKind::Plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        list(paths, &LazyAws::new(None, runtime.handle().clone()))
    }

    #[test]
    fn are_walked_in_the_order_of_keys_without_hidden_files_and_what_failed_processing() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for (name, bytes) in [
            ("z.jsonl", &b"{}"[..]),
            ("b/c/2.jsonl", b""),
            ("b/c/10.gz", b"xx"),
            ("b/0", &GZIP_MAGIC),
            ("b-1", b"{}"),
            ("processing-failed/2026/x", b"{}"),
            ("b/c/processing-failed/x", b"{}"),
            (".hidden", b"{}"),
        ] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), bytes).unwrap();
        }
        let inputs = listed(&[root.path().to_owned(), "-".into()]).unwrap();
        let seen: Vec<_> =
            inputs.iter().map(|i| (PathBuf::from(&*i.name()), i.kind, i.bytes)).collect();
        assert_eq!(
            seen,
            [
                (at("b-1"), InputKind::Plain, 2),
                (at("b/0"), InputKind::Gzip, 2),
                (at("b/c/10.gz"), InputKind::Gzip, 2),
                (at("b/c/2.jsonl"), InputKind::Plain, 0),
                (at("z.jsonl"), InputKind::Plain, 2),
                ("-".into(), InputKind::Either, 0),
            ]
        );
        assert_eq!(listed(&[at("processing-failed/2026")]).unwrap().len(), 1);
    }

    #[test]
    fn that_are_missing_or_empty_are_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        for (path, part) in [(missing.as_path(), "missing"), (root.path(), "holds no file")] {
            let error = listed(&[path.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
