//! What processes see of a disk, and what is durable of it.
//!
//! The soak test uses this module too, so both have the same rules.

mod contents;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_pcg::Pcg64;

use contents::Contents;

/// The files and names of a disk. Paths are absolute.
#[derive(Debug, Default)]
pub(super) struct Journal {
    inodes: Vec<Contents>,
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    /// The changes of names that are not durable.
    pending: Vec<NameChange>,
}

/// What a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Debug)]
enum NameChange {
    Link(PathBuf, Node),
    Rename(PathBuf, PathBuf, Node),
    Unlink(PathBuf),
}

impl Journal {
    /// The file at `path`, if it is known.
    pub(super) fn inode(&self, path: &Path) -> Option<usize> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Some(*inode),
            _ => None,
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> usize {
        self.inodes.push(Contents::default());
        let inode = self.inodes.len() - 1;
        self.link(path, Node::File(inode));
        inode
    }

    /// Adds an existing file with durable contents.
    pub(super) fn import(&mut self, path: &Path, durable: Vec<u8>) -> usize {
        self.inodes.push(Contents::durable(durable));
        let inode = self.inodes.len() - 1;
        self.names.insert(path.to_owned(), Node::File(inode));
        self.durable_names.insert(path.to_owned(), Node::File(inode));
        inode
    }

    pub(super) fn create_dir(&mut self, path: &Path) {
        self.link(path, Node::Directory);
    }

    fn link(&mut self, path: &Path, node: Node) {
        self.change(NameChange::Link(path.to_owned(), node));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        if let Some(node) = self.names.get(from) {
            self.change(NameChange::Rename(from.to_owned(), to.to_owned(), *node));
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(NameChange::Unlink(path.to_owned()));
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    pub(super) fn sync_dir(&mut self, directory: &Path) {
        for change in self.pending.extract_if(.., |change| change.directory() == Some(directory)) {
            change.apply(&mut self.durable_names);
        }
    }

    /// The length of a file that processes see.
    pub(super) fn length(&self, inode: usize) -> u64 {
        self.inodes[inode].length()
    }

    pub(super) fn write(&mut self, inode: usize, at: u64, bytes: &[u8]) {
        self.inodes[inode].write(at, bytes);
    }

    pub(super) fn set_len(&mut self, inode: usize, length: u64) {
        self.inodes[inode].set_len(length);
    }

    pub(super) fn sync(&mut self, inode: usize) {
        self.inodes[inode].sync();
    }

    /// Reduces everything below `root` to what is durable, and to the pending changes that `random` chooses.
    pub(super) fn lose_power(&mut self, root: &Path, random: &mut Pcg64) {
        let mut names = std::mem::take(&mut self.durable_names);
        for change in self.pending.drain(..) {
            if random.random() {
                change.apply(&mut names);
            }
        }
        let exists: Vec<_> = names.keys().cloned().collect();
        for path in exists {
            // A directory that is not durable takes its entries with it. Parents sort before entries.
            let parent = path.parent().unwrap();
            if parent != root && names.get(parent) != Some(&Node::Directory) {
                names.remove(&path);
            }
        }
        self.inodes.iter_mut().for_each(|contents| contents.lose_power(random));
        (self.names, self.durable_names) = (names.clone(), names);
    }

    /// Asserts that the files are those that the recorded operations result in.
    pub(super) fn check(&self) {
        for (path, node) in &self.names {
            let is_recorded = match node {
                Node::File(inode) => fs::read(path).ok() == Some(self.inodes[*inode].visible()),
                Node::Directory => path.is_dir(),
            };
            assert!(is_recorded, "{}: not as recorded", path.display());
        }
    }

    /// Replaces the files below `root` by the durable ones.
    pub(super) fn write_to(&self, root: &Path) {
        for entry in fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        for (path, node) in &self.durable_names {
            match node {
                Node::Directory => fs::create_dir(path).unwrap(),
                Node::File(inode) => fs::write(path, self.inodes[*inode].bytes()).unwrap(),
            }
        }
    }
}

impl NameChange {
    /// The directory whose sync makes the change durable.
    fn directory(&self) -> Option<&Path> {
        let (Self::Link(path, _) | Self::Rename(_, path, _) | Self::Unlink(path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Link(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            Self::Unlink(path) => drop(names.remove(path)),
        }
    }
}
