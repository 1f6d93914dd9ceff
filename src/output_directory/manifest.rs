//! The manifest of an output directory: which kind of command wrote it, and all names that it wrote.

use std::collections::BTreeSet;
use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk;

/// The file of the manifest. Its name is hidden, so that it is not an input where a directory of events
/// is.
pub(super) const MANIFEST: &str = ".velodrome.json";

/// A kind of outputs. Commands replace only outputs of their own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Results of events.
    Results,
    /// Changes between two sets of rules.
    Changes,
    /// Objects of simulated events.
    Events,
}

impl Kind {
    /// The commands that write this kind.
    pub(super) fn writers(self) -> &'static str {
        match self {
            Self::Results => "replay or batch",
            Self::Changes => "compare",
            Self::Events => "simulate",
        }
    }
}

/// The kind and the names of the outputs in a directory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) kind: Kind,
    /// The paths of all files and directories, relative to the output directory. Those of directories
    /// end with a slash.
    pub(super) outputs: BTreeSet<String>,
}

impl Manifest {
    /// The manifest in `directory`, if it has a valid one.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Self>> {
        let path = directory.join(MANIFEST);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(serde_json::from_slice(&fs::read(path)?).ok()),
            Err(error)
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Err(error)
            }
            _ => Ok(None),
        }
    }

    /// Writes the manifest of all files in `directory`, and makes them durable with it.
    pub(super) fn create(directory: &Path, kind: Kind) -> io::Result<()> {
        let outputs = entries(directory)?;
        for entry in &outputs {
            File::open(directory.join(&entry.name))?.sync_all()?;
        }
        let outputs = outputs.into_iter().map(|entry| entry.name).collect();
        let file = File::create(directory.join(MANIFEST))?;
        serde_json::to_writer(&file, &Self { kind, outputs })?;
        file.sync_all()?;
        disk::sync_dir(directory)
    }

    /// The name of a file in `directory` that the manifest does not list, if there is one. A symbolic
    /// link is never listed.
    pub(super) fn foreign(&self, directory: &Path) -> io::Result<Option<String>> {
        let foreign = entries(directory)?.into_iter().find(|entry| !self.lists(entry));
        Ok(foreign.map(|entry| entry.name))
    }

    /// Removes the outputs from `directory`, and then the directory.
    ///
    /// # Errors
    /// If the disk fails, or if the directory has other files. They remain.
    pub(super) fn remove(&self, directory: &Path) -> io::Result<()> {
        // In reverse, a directory comes after its files.
        for entry in entries(directory)?.iter().rev().filter(|entry| self.lists(entry)) {
            let path = directory.join(&entry.name);
            match entry.kind.is_dir() {
                true => ignore_not_empty(fs::remove_dir(path))?,
                false => fs::remove_file(path)?,
            }
        }
        if let Some(name) = self.foreign(directory)? {
            return Err(io::Error::other(format!("it has '{name}', which no run wrote")));
        }
        fs::remove_file(directory.join(MANIFEST))?;
        fs::remove_dir(directory)
    }

    fn lists(&self, entry: &Entry) -> bool {
        (entry.kind.is_file() || entry.kind.is_dir()) && self.outputs.contains(&entry.name)
    }
}

fn ignore_not_empty(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => removed,
    }
}

/// A file in a directory, or in a directory in it.
struct Entry {
    /// The path in the directory. That of a directory ends with a slash.
    name: String,
    kind: FileType,
}

/// All files in `directory` but its manifest, each directory before its files. Symbolic links are not
/// followed.
fn entries(directory: &Path) -> io::Result<Vec<Entry>> {
    let (mut all, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(directory.join(&folder))? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let mut name = folder.clone() + &name.to_string_lossy();
            if kind.is_dir() {
                name.push('/');
                folders.push(name.clone());
            }
            if name != MANIFEST {
                all.push(Entry { name, kind });
            }
        }
    }
    Ok(all)
}
