//! A disk that follows the system calls of a service, and knows what a loss of power would leave.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand_pcg::Pcg64;

use super::calls::Call;
use super::journal::Journal;
use super::trace::Trace;

/// The disk below a directory that only traced processes change, one at a time.
pub(super) struct Disk {
    pub(super) root: PathBuf,
    pub(super) journal: Journal,
    /// What the process has open below the root, by descriptor.
    pub(super) open: BTreeMap<u64, Open>,
}

/// What a descriptor refers to.
#[derive(Debug)]
pub(super) enum Open {
    File { inode: usize, offset: u64, appends: bool },
    Directory(PathBuf),
}

impl Disk {
    /// An empty disk in the directory `root`, which is created.
    pub(super) fn create(root: &Path) -> Self {
        fs::create_dir(root).unwrap();
        Self { root: root.to_owned(), journal: Journal::default(), open: BTreeMap::new() }
    }

    /// Records what a process did that has ended. All that it wrote is visible, durable or not.
    ///
    /// # Panics
    /// If the files are not what the calls result in: then the trace lacks a way to change them.
    pub(super) fn record(&mut self, trace: &Trace) {
        self.open.clear();
        trace.finished.iter().for_each(|call| self.apply(call));
        trace.interrupted.iter().for_each(|call| self.settle(call));
        self.journal.check();
    }

    /// Leaves what is durable, and a part of the rest that `random` chooses.
    pub(super) fn lose_power(&mut self, random: &mut Pcg64) {
        self.journal.lose_power(&self.root, random);
        self.journal.write_to(&self.root);
    }

    /// The paths of a call that is about paths below the root; empty for other calls.
    pub(super) fn paths(&self, call: &Call) -> Vec<PathBuf> {
        let paths = if call.is_about_paths() { call.paths() } else { Vec::new() };
        if paths.iter().any(|path| path.starts_with(&self.root)) { paths } else { Vec::new() }
    }

    fn apply(&mut self, call: &Call) {
        let open = call.number(0).and_then(|descriptor| self.open.get_mut(&descriptor));
        let journal = &mut self.journal;
        match (&call.name[..], open) {
            ("close", Some(_)) => drop(self.open.remove(&call.number(0).unwrap())),
            ("fsync", Some(Open::Directory(path))) => journal.sync_dir(path),
            ("fsync" | "fdatasync", Some(Open::File { inode, .. })) => journal.sync(*inode),
            ("lseek", Some(Open::File { offset, .. })) => *offset = call.result.unwrap(),
            ("ftruncate", Some(Open::File { inode, .. })) => {
                journal.set_len(*inode, call.number(1).unwrap());
            }
            ("pwrite64", Some(Open::File { inode, .. })) => {
                journal.write(*inode, call.number(3).unwrap(), &call.bytes());
            }
            ("write" | "writev", Some(Open::File { inode, offset, appends })) => {
                if *appends {
                    *offset = journal.length(*inode);
                }
                journal.write(*inode, *offset, &call.bytes());
                *offset += call.result.unwrap();
            }
            // A duplicate would share the offset.
            ("fcntl", Some(_)) if !call.has_flag("F_DUPFD_CLOEXEC") => (),
            (_, Some(open)) => panic!("not supported for {open:?}: {call:?}"),
            (_, None) => self.apply_to_paths(call),
        }
    }

    fn apply_to_paths(&mut self, call: &Call) {
        match (&call.name[..], &self.paths(call)[..]) {
            (_, []) => (),
            ("openat", [path]) => {
                let open = match self.journal.inode(path) {
                    None if !call.has_flag("O_CREAT") => Open::Directory(path.clone()),
                    inode => {
                        let inode = inode.unwrap_or_else(|| self.journal.create(path));
                        if call.has_flag("O_TRUNC") && self.journal.length(inode) > 0 {
                            self.journal.set_len(inode, 0);
                        }
                        Open::File { inode, offset: 0, appends: call.has_flag("O_APPEND") }
                    }
                };
                self.open.insert(call.result.unwrap(), open);
            }
            ("rename", [from, to]) => self.journal.rename(from, to),
            ("unlink", [path]) => self.journal.remove(path),
            ("mkdir", [path]) => self.journal.create_dir(path),
            _ => panic!("not supported: {call:?}"),
        }
    }
}
