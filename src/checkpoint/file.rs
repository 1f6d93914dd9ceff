//! Opens and creates the store's file.

use std::io;
use std::path::Path;

use redb::{Builder, Database};

use super::error::Fault;
use crate::atomic_file::remove_if_exists;
use crate::disk;
#[cfg(test)]
use crate::disk::tests::simulated;

/// The size of the store's page cache. redb's default of 1 GiB would be wasted, because the graph has
/// all data in memory.
const CACHE_BYTES: usize = 32 << 20;

/// Opens an existing store, and verifies the checksum of every page.
pub(super) fn open(path: &Path) -> Result<Database, Fault> {
    let mut builder = builder();
    builder.set_check_integrity_on_open(true);
    #[cfg(test)]
    if simulated::find(path).is_some() {
        return Ok(builder.create_with_backend(simulated::Backend::open(path)?)?);
    }
    Ok(builder.open(path)?)
}

/// Creates a store.
///
/// The file is created under another name and then renamed. A creation that a crash interrupted is
/// therefore never reported as damage, and an emptied file is never mistaken for a new one.
pub(super) fn create(path: &Path) -> Result<Database, Fault> {
    let new = path.with_extension("new");
    remove_if_exists(&new)?;
    let store = create_new(&new)?;
    disk::rename(&new, path)?;
    sync_directory(path)?;
    Ok(store)
}

fn create_new(path: &Path) -> Result<Database, Fault> {
    #[cfg(test)]
    if simulated::find(path).is_some() {
        return Ok(builder().create_with_backend(simulated::Backend::create(path)?)?);
    }
    Ok(builder().create(path)?)
}

/// Makes the name of a file durable, with an `fsync` of its directory.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    disk::sync_dir(directory.unwrap_or(Path::new(".")))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}
