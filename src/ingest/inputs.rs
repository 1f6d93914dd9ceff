//! What a run reads: files, directories walked in name order, standard input.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The first bytes of a gzip member (RFC 1952).
pub const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One input, in the order that the run takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its path as given or found; `-` is standard input.
    pub path: PathBuf,
    /// How its bytes are to be read.
    pub kind: InputKind,
    /// Its size in bytes, 0 for a stream.
    pub bytes: u64,
}

/// How the bytes of an input are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Lines as they stand.
    Plain,
    /// One or more gzip members.
    Gzip,
    /// Either of both, told by its first bytes: standard input or a pipe.
    Stream,
}

/// An input that cannot be used.
#[derive(Debug, Error)]
pub enum InputError {
    /// A path that cannot be read.
    #[error("cannot read '{0}': {1}")]
    Read(PathBuf, io::Error),
    /// A directory without a file in it.
    #[error("the directory '{0}' holds no file; name one that holds .jsonl or .gz files")]
    Empty(PathBuf),
}

/// Lists the inputs of `paths` in order; directories are walked in name order, without hidden files.
///
/// # Errors
/// A path that is missing or cannot be read; directories that hold no file at all.
pub fn list(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input { path: path.clone(), kind: InputKind::Stream, bytes: 0 });
            continue;
        }
        walk(path, &mut inputs)?;
    }
    match paths.first() {
        Some(path) if inputs.is_empty() => Err(InputError::Empty(path.clone())),
        _ => Ok(inputs),
    }
}

fn walk(path: &Path, inputs: &mut Vec<Input>) -> Result<(), InputError> {
    let failed = |e| InputError::Read(path.to_owned(), e);
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        // What a pipe gives is gone once it is read, so nothing of it is looked at here.
        let kind = match metadata.is_file() {
            true => kind(path).map_err(failed)?,
            false => InputKind::Stream,
        };
        inputs.push(Input { path: path.to_owned(), kind, bytes: metadata.len() });
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>();
    let mut names: Vec<_> = entries.map_err(failed)?.iter().map(fs::DirEntry::file_name).collect();
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    names.sort();
    names.iter().try_for_each(|name| walk(&path.join(name), inputs))
}

/// The bytes of a stream at `path`; `-` is standard input.
///
/// # Errors
/// A pipe that cannot be opened.
pub(crate) fn stream(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path)?),
    })
}

/// By content, and by name where the content is damaged from the start.
fn kind(path: &Path) -> io::Result<InputKind> {
    let mut start = Vec::new();
    File::open(path)?.take(2).read_to_end(&mut start)?;
    let named = path.extension().is_some_and(|extension| extension == "gz");
    let gzip = start == GZIP_MAGIC || (named && !start.is_empty());
    Ok(if gzip { InputKind::Gzip } else { InputKind::Plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_walked_in_name_order_without_hidden_files() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        for (name, bytes) in [
            ("z.jsonl", &b"{}"[..]),
            ("b/c/2.jsonl", b""),
            ("b/c/10.gz", b"xx"),
            ("b/0", &GZIP_MAGIC),
            (".hidden", b"{}"),
        ] {
            fs::write(at(name), bytes).unwrap();
        }
        let inputs = list(&[root.path().to_owned(), "-".into()]).unwrap();
        let seen: Vec<_> = inputs.iter().map(|i| (i.path.clone(), i.kind, i.bytes)).collect();
        assert_eq!(
            seen,
            [
                (at("b/0"), InputKind::Gzip, 2),
                (at("b/c/10.gz"), InputKind::Gzip, 2),
                (at("b/c/2.jsonl"), InputKind::Plain, 0),
                (at("z.jsonl"), InputKind::Plain, 2),
                ("-".into(), InputKind::Stream, 0),
            ]
        );
    }

    #[test]
    fn that_are_missing_or_empty_are_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        for (path, part) in [(missing.as_path(), "missing"), (root.path(), "holds no file")] {
            let error = list(&[path.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
