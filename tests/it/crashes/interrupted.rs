//! System calls that the end of a process interrupted: whether they took effect, the files show.

use std::fs;
use std::path::{Path, PathBuf};

use super::calls::Call;
use super::disk::{Disk, Open};

impl Disk {
    /// Records the effect that an interrupted call had on the files.
    pub(super) fn settle(&mut self, call: &Call) {
        match (&call.name[..], &self.paths(call)[..]) {
            ("openat", [path]) => self.settle_open(call, path),
            ("rename", [from, to]) if !from.exists() => self.journal.rename(from, to),
            ("unlink", [path]) if !path.exists() => self.journal.remove(path),
            ("mkdir", [path]) if path.exists() => self.journal.create_dir(path),
            (_, []) => self.settle_write(call),
            _ => (),
        }
    }

    fn settle_open(&mut self, call: &Call, path: &Path) {
        match self.journal.inode(path) {
            Some(inode) if call.has_flag("O_TRUNC") => {
                self.journal.set_len(inode, fs::metadata(path).unwrap().len());
            }
            None if call.has_flag("O_CREAT") && path.exists() => drop(self.journal.create(path)),
            _ => (),
        }
    }

    fn settle_write(&mut self, call: &Call) {
        let open = call.number(0).and_then(|descriptor| self.open.get(&descriptor));
        let Some(&Open::File { inode, offset, appends }) = open else { return };
        // A file without a name has no contents after a crash.
        let Some(path) = self.find(inode) else { return };
        let contents = fs::read(path).unwrap();
        let at = match (&call.name[..], appends) {
            ("ftruncate", _) => return self.journal.set_len(inode, contents.len() as u64),
            ("pwrite64", _) => call.number(3).unwrap(),
            ("write" | "writev", true) => self.journal.length(inode),
            ("write" | "writev", false) => offset,
            _ => return,
        };
        let after = contents.get(at as usize..).unwrap_or_default();
        let written = after.len().min(call.bytes().len());
        self.journal.write(inode, at, &after[..written]);
    }

    /// The path of a file.
    fn find(&self, inode: usize) -> Option<PathBuf> {
        let mut directories = vec![self.root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if self.journal.inode(&path) == Some(inode) {
                    return Some(path);
                }
                if path.is_dir() {
                    directories.push(path);
                }
            }
        }
        None
    }
}
