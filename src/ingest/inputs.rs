//! Lists the inputs of a run: files, objects, standard input, and all files below directories and
//! prefixes in the order of their keys.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::bucket_objects;
pub use super::input::{Input, InputKind, Origin, PartSource};
use super::object_names::FAILED_FOLDER;
use super::streams::StreamError;
use crate::file_id::{FileId, is_link_loop};
use crate::lazy_aws::LazyAws;
use crate::store::{Location, LocationError, OpenError, StoreError};
use crate::terminal::Printable;

/// Why an input cannot be used.
#[derive(Debug, Error)]
pub enum InputError {
    /// The path cannot be read.
    #[error("cannot read '{0}': {1}")]
    Read(PathBuf, io::Error),
    /// The directory or bucket has no files.
    #[error("'{0}' has no files; name a directory or bucket with .jsonl or .gz files")]
    Empty(PathBuf),
    /// The text is not a valid bucket URL.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be listed or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stream is among the inputs twice.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Lists the inputs of `paths` in order.
///
/// Directories and buckets are both walked in the order of their keys, so the same files have the same
/// order in either. Hidden files and the folder `processing-failed` are skipped, and symbolic links to
/// a directory above them with a note. Buckets are opened with `lazy_aws`.
///
/// # Errors
/// If a path is missing or cannot be read, or if all paths together have no file.
pub fn list(paths: &[PathBuf], lazy_aws: &LazyAws) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for path in paths {
        inputs.extend(list_path(path, lazy_aws)?);
    }
    match paths.first() {
        Some(path) if inputs.is_empty() => Err(InputError::Empty(path.clone())),
        _ => Ok(inputs),
    }
}

/// Lists the inputs of one path, as [`list`] does. There may be none.
///
/// # Errors
/// If the path is missing or cannot be read.
pub fn list_path(path: &Path, lazy_aws: &LazyAws) -> Result<Vec<Input>, InputError> {
    if path.as_os_str() == "-" {
        let origin = Origin::Stream(path.to_owned());
        return Ok(vec![Input { origin, kind: InputKind::Detect, bytes: 0 }]);
    }
    let mut inputs = Vec::new();
    match location(path)? {
        Location::Directory(path) => list_files(&path, &mut Vec::new(), &mut inputs)?,
        Location::Bucket(bucket, folder) => {
            let store = Location::Bucket(bucket, String::new()).open(lazy_aws)?;
            let name = folder.strip_suffix('/').filter(|_| !ends_with_slash(path));
            inputs.extend(bucket_objects::list(&store, &folder, name)?);
        }
    }
    Ok(inputs)
}

/// The location that a path names. A path that is not UTF-8 is never a bucket.
fn location(path: &Path) -> Result<Location, LocationError> {
    path.to_str().map_or_else(|| Ok(Location::Directory(path.to_owned())), str::parse)
}

/// Adds the file at `path`, or all files below it. `parents` are the directories above it, up to the one
/// that the user named.
fn list_files(
    path: &Path,
    parents: &mut Vec<FileId>,
    inputs: &mut Vec<Input>,
) -> Result<(), InputError> {
    let failed = |e| InputError::Read(path.to_owned(), e);
    let metadata = match fs::metadata(path) {
        Err(error) if is_link_loop(&error) && !parents.is_empty() => {
            note_link_loop(path);
            return Ok(());
        }
        metadata => metadata.map_err(failed)?,
    };
    if !metadata.is_dir() {
        let (origin, bytes) = (path.to_owned(), metadata.len());
        // A pipe can be read only once, so its kind is not detected here.
        inputs.push(match metadata.is_file() {
            true => {
                let kind = file_kind(path).map_err(failed)?;
                Input { origin: Origin::File(origin), kind, bytes }
            }
            false => Input { origin: Origin::Stream(origin), kind: InputKind::Detect, bytes },
        });
        return Ok(());
    }
    let id = FileId::from(&metadata);
    if parents.contains(&id) {
        note_link_loop(path);
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let path = path.join(&name);
        let mut key = name.into_encoded_bytes();
        if !key.starts_with(b".") {
            // Sorts a directory as if its name ended with a slash, because the object keys below a
            // folder do.
            key.extend(path.is_dir().then_some(b'/'));
            entries.push((key, path));
        }
    }
    entries.retain(|(key, _)| key.strip_suffix(b"/") != Some(FAILED_FOLDER.as_bytes()));
    entries.sort();
    parents.push(id);
    entries.iter().try_for_each(|(_, path)| list_files(path, parents, inputs))?;
    parents.pop();
    Ok(())
}

fn note_link_loop(path: &Path) {
    let path = path.to_string_lossy();
    let path = Printable(&path);
    eprintln!("velodrome: skipped '{path}', a symbolic link that leads back to itself");
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// The kind of a file. The name counts only for gzip, which may be damaged from its start.
fn file_kind(path: &Path) -> io::Result<InputKind> {
    let is_named_gzip = path.extension().is_some_and(|extension| extension == "gz");
    if is_named_gzip { Ok(InputKind::Detect) } else { InputKind::of_content(File::open(path)?) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn listed(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        list(paths, &LazyAws::new(None, runtime.handle().clone()))
    }

    #[test]
    fn walks_in_key_order_without_hidden_files_and_failed_records() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for (name, bytes) in [
            ("z.jsonl", &b"{}"[..]),
            ("b/c/2.jsonl", b""),
            ("b/c/10.gz", b"xx"),
            ("b/0", b"\x1f\x8b"),
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
                (at("b/0"), InputKind::Detect, 2),
                (at("b/c/10.gz"), InputKind::Detect, 2),
                (at("b/c/2.jsonl"), InputKind::Plain, 0),
                (at("z.jsonl"), InputKind::Plain, 2),
                ("-".into(), InputKind::Detect, 0),
            ]
        );
        assert_eq!(listed(&[at("processing-failed/2026")]).unwrap().len(), 1);
    }

    #[test]
    fn skips_links_that_lead_back_to_themselves() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for name in ["a/x", "b/y"] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), b"{}").unwrap();
        }
        for (target, link) in [("..", "a/up"), ("../b", "a/b"), ("../a", "b/a"), ("self", "self")] {
            symlink(target, at(link)).unwrap();
        }
        let names = |path| {
            let inputs = listed(&[path]).unwrap();
            inputs.iter().map(|input| PathBuf::from(&*input.name())).collect::<Vec<_>>()
        };
        assert_eq!(names(root.path().to_owned()), [at("a/b/y"), at("a/x"), at("b/a/x"), at("b/y")]);
        assert_eq!(names(at("a/up/b")), [at("a/up/b/a/x"), at("a/up/b/y")]);
        // The user named this link, so it is an error.
        assert!(matches!(listed(&[at("self")]), Err(InputError::Read(..))));
    }

    #[test]
    fn names_missing_and_empty_paths_in_errors() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        for (path, part) in [(missing.as_path(), "missing"), (root.path(), "has no files")] {
            let error = listed(&[path.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
