//! Inspects a checkpoint without changing its file or locking it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use velodrome_dataflows::EventTime;

use super::error::{CheckpointError, Fault};
use super::{file, meta};
use crate::log::LogPosition;

/// The parts of the file that are replaced at once.
const BLOCK_BYTES: u64 = 4096;

/// What a checkpoint says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The time up to which it is complete, or `None` before the first write.
    pub complete: Option<EventTime>,
    /// The part of the log that it covers, as far as it is known.
    pub covered: Option<LogPosition>,
}

/// Reads the complete checkpoint in `file`, and verifies its checksums. `path` is its name in errors.
///
/// # Errors
/// When the file is damaged, has another format, or cannot be read.
pub fn inspect(file: File, path: &Path) -> Result<Inspected, CheckpointError> {
    let inspect = || {
        if file.metadata()?.len() == 0 {
            return Err(Fault::Damage("it is empty".to_owned()));
        }
        let meta = meta::read(&file::open_backend(Overlay::new(file)?)?)?;
        let complete = meta.as_ref().map(|meta| meta.complete);
        Ok(Inspected { complete, covered: meta.and_then(|meta| meta.covered) })
    };
    inspect().map_err(|fault: Fault| fault.at(path))
}

/// A file whose changes stay in memory. The store repairs what a crash interrupted, which is little.
#[derive(Debug)]
struct Overlay {
    file: File,
    state: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// The length up to which the file's bytes are in effect.
    file_len: u64,
    /// The blocks that were written, by their numbers.
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file,
            state: Mutex::new(Changes { len, file_len: len, blocks: BTreeMap::new() }),
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as the file has it, with zeros after `file_len`.
    fn block(&self, number: u64, file_len: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK_BYTES as usize];
        let start = number * BLOCK_BYTES;
        let len = file_len.saturating_sub(start).min(BLOCK_BYTES) as usize;
        self.file.read_exact_at(block.get_mut(..len).unwrap_or_default(), start)?;
        Ok(block)
    }
}

/// The blocks from `offset` on for `bytes` bytes, each with its part: the start in it, and the length.
fn blocks(offset: u64, bytes: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + bytes as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let (number, start) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
        let len = (BLOCK_BYTES - start).min(end.saturating_sub(at));
        at += len;
        (len > 0).then_some((number, start as usize, len as usize))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset + out.len() as u64 > changes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = out;
        for (number, start, len) in blocks(offset, out.len()) {
            let (part, rest) = out.split_at_mut(len);
            let original;
            let block = match changes.blocks.get(&number) {
                Some(block) => block,
                None => {
                    original = self.block(number, changes.file_len)?;
                    &original
                }
            };
            part.copy_from_slice(block.get(start..start + len).unwrap_or_default());
            out = rest;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = len;
        changes.file_len = changes.file_len.min(len);
        changes.blocks.retain(|number, _| number * BLOCK_BYTES < len);
        // If the file grows again, it has zeros there.
        if let Some(block) = changes.blocks.get_mut(&(len / BLOCK_BYTES)) {
            block.get_mut((len % BLOCK_BYTES) as usize..).unwrap_or_default().fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        let mut data = data;
        for (number, start, len) in blocks(offset, data.len()) {
            let (part, rest) = data.split_at(len);
            let block = match changes.blocks.remove(&number) {
                Some(block) => block,
                None => self.block(number, changes.file_len)?,
            };
            let block = changes.blocks.entry(number).or_insert(block);
            block.get_mut(start..start + len).unwrap_or_default().copy_from_slice(part);
            data = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// An operation on an overlay. Writes and reads have an offset and a number of bytes.
    #[derive(Clone, Debug)]
    enum Step {
        Write(usize, usize, u8),
        Read(usize, usize),
        SetLen(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (offset, bytes) = (0..20_000_usize, 0..9_000_usize);
        let write = (offset.clone(), bytes.clone(), any::<u8>());
        prop_oneof![
            write.prop_map(|(offset, bytes, value)| Step::Write(offset, bytes, value)),
            (offset.clone(), bytes).prop_map(|(offset, bytes)| Step::Read(offset, bytes)),
            offset.prop_map(Step::SetLen),
        ]
    }

    proptest! {
        #[test]
        fn an_overlay_is_a_file_of_its_own(
            original in vec(any::<u8>(), 0..12_000),
            steps in vec(step(), 1..20),
        ) {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&original).unwrap();
            let overlay = Overlay::new(file.try_clone().unwrap()).unwrap();
            let mut expected = original.clone();
            for step in steps {
                match step {
                    Step::Write(offset, bytes, value) => {
                        // A store writes only below the length that it has set.
                        if let Some(expected) = expected.get_mut(offset..offset + bytes) {
                            expected.fill(value);
                            overlay.write(offset as u64, &vec![value; bytes]).unwrap();
                        }
                    }
                    Step::Read(offset, bytes) => {
                        let mut read = vec![0; bytes];
                        let result = overlay.read(offset as u64, &mut read);
                        match expected.get(offset..offset + bytes) {
                            Some(expected) => prop_assert!(result.is_ok() && read == expected),
                            None => prop_assert!(result.is_err()),
                        }
                    }
                    Step::SetLen(len) => {
                        expected.resize(len, 0);
                        overlay.set_len(len as u64).unwrap();
                    }
                }
                prop_assert_eq!(overlay.len().unwrap(), expected.len() as u64);
            }
            let mut unchanged = vec![0; original.len()];
            file.read_exact_at(&mut unchanged, 0).unwrap();
            prop_assert_eq!(unchanged, original);
        }
    }
}
