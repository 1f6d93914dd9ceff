//! A simulated disk for tests: it owns a directory, and distinguishes what processes see from what a loss of
//! power would leave.
//!
//! The files are real, so reads need no simulation. Each operation is also recorded: a write is durable
//! after a sync of its file, a name after a sync of its directory. Operations fail as planned, and after the
//! moment of a crash no operation has an effect.

mod backend;
mod journal;
mod plan;

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use rand_pcg::Pcg64;

pub(crate) use backend::Backend;
use journal::Journal;
pub(crate) use plan::{Failure, Operation, Plan};

/// The disks of all running simulations.
static DISKS: RwLock<Vec<Arc<Disk>>> = RwLock::new(Vec::new());

/// The simulated disk that owns `path`, if there is one.
pub(crate) fn find(path: &Path) -> Option<Arc<Disk>> {
    let disks = DISKS.read().unwrap_or_else(PoisonError::into_inner);
    disks.iter().find(|disk| path.starts_with(&disk.root)).cloned()
}

/// A disk that owns the directory `root`. It is mounted until it is unmounted.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    root: PathBuf,
    state: Mutex<State>,
    /// Notified when the disk is no longer slow.
    is_fast: Condvar,
}

#[derive(Debug, Default)]
struct State {
    journal: Journal,
    plan: Plan,
}

/// A file that is open for writing on a simulated disk.
#[derive(Debug)]
pub(in crate::disk) struct Handle {
    disk: Arc<Disk>,
    inode: usize,
    path: PathBuf,
    appends: bool,
}

impl Disk {
    /// Mounts an empty disk at the empty directory `root`.
    pub(crate) fn mount(root: &Path) -> Arc<Self> {
        let disk = Arc::new(Self { root: root.to_owned(), ..Self::default() });
        DISKS.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&disk));
        disk
    }

    /// Ends the simulation. The files stay.
    pub(crate) fn unmount(&self) {
        let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
        disks.retain(|disk| disk.root != self.root);
    }

    /// Changes the planned faults.
    pub(crate) fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.lock().plan)
    }

    /// Lets writes to files with this part of a path wait until the next call.
    pub(crate) fn set_slow(&self, part: Option<&'static str>) {
        self.lock().plan.slow = part;
        self.is_fast.notify_all();
    }

    /// Whether a write waits because the disk is slow.
    pub(crate) fn is_waiting(&self) -> bool {
        self.lock().plan.waiting > 0
    }

    /// Restarts after a crash of the process: all writes until then are visible, durable or not. No thread
    /// of the crashed process may be left.
    pub(crate) fn restart(&self) {
        let mut state = self.lock();
        state.plan.reset();
        state.journal.check();
    }

    /// Restarts after a loss of power: what was synced is there, and a part of the rest that `random`
    /// chooses. No thread of the crashed process may be left.
    pub(crate) fn lose_power(&self, random: &mut Pcg64) {
        let mut state = self.lock();
        state.plan.reset();
        state.journal.check();
        state.journal.lose_power(&self.root, random);
        state.journal.write_to(&self.root);
    }

    pub(in crate::disk) fn open(
        self: &Arc<Self>,
        path: &Path,
        options: &OpenOptions,
        appends: bool,
    ) -> io::Result<(fs::File, Handle)> {
        let mut state = self.lock();
        let existing = state.journal.inode(path);
        state.plan.check(Operation::Create, path)?;
        let length_before = fs::metadata(path).map(|file| file.len());
        let file = options.open(path)?;
        let inode = match (existing, length_before) {
            (Some(inode), Ok(before)) => {
                if file.metadata()?.len() < before {
                    state.journal.set_len(inode, 0);
                }
                inode
            }
            // A file that was not written through this module.
            (None, Ok(_)) => state.journal.import(path, fs::read(path)?),
            _ => state.journal.create(path),
        };
        let (disk, path) = (Arc::clone(self), path.to_owned());
        Ok((file, Handle { disk, inode, path, appends }))
    }

    pub(in crate::disk) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.plan.check(Operation::Rename, to)?;
        fs::rename(from, to)?;
        state.journal.rename(from, to);
        Ok(())
    }

    pub(in crate::disk) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !path.exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.plan.check(Operation::Remove, path)?;
        fs::remove_file(path)?;
        state.journal.remove(path);
        Ok(())
    }

    pub(in crate::disk) fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.plan.check(Operation::Create, path)?;
        fs::create_dir(path)?;
        state.journal.create_dir(path);
        Ok(())
    }

    pub(in crate::disk) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.plan.check(Operation::SyncDirectory, path)?;
        state.journal.sync_dir(path);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the disk for a write to `path`, which waits while the disk is slow.
    fn lock_to_write(&self, path: &Path) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if !state.plan.is_slow(path) {
            return state;
        }
        state.plan.waiting += 1;
        let waited = self.is_fast.wait_while(state, |state| state.plan.is_slow(path));
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.plan.waiting -= 1;
        state
    }
}

impl Handle {
    pub(in crate::disk) fn write(&self, mut file: &fs::File, bytes: &[u8]) -> io::Result<usize> {
        let length = || self.disk.lock().journal.length(self.inode);
        let at = if self.appends { length() } else { file.stream_position()? };
        let written = self.write_at(file, at, bytes)?;
        file.seek(SeekFrom::Start(at + written as u64))?;
        Ok(written)
    }

    /// Writes a beginning of `bytes`, and returns its length.
    pub(in crate::disk) fn write_at(
        &self,
        file: &fs::File,
        at: u64,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let mut state = self.disk.lock_to_write(&self.path);
        let (length, result) = state.plan.check_write(&self.path, bytes.len());
        let bytes = &bytes[..length];
        if self.appends {
            let mut file = file;
            file.write_all(bytes)?;
        } else {
            file.write_all_at(bytes, at)?;
        }
        state.journal.write(self.inode, at, bytes);
        result.map(|()| length)
    }

    pub(in crate::disk) fn set_len(&self, file: &fs::File, length: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.plan.check(Operation::SetLength, &self.path)?;
        file.set_len(length)?;
        state.journal.set_len(self.inode, length);
        Ok(())
    }

    pub(in crate::disk) fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.plan.check(Operation::Sync, &self.path)?;
        state.journal.sync(self.inode);
        Ok(())
    }
}
