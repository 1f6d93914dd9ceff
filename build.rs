//! Computes a hash of the sources. The processes of a cluster compare it to check that they run the same
//! build.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for source in ["src", "dataflows/src", "Cargo.toml", "dataflows/Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
        list(Path::new(source), &mut files)?;
    }
    files.sort();
    // FNV-1a with 64 bits, because the hashes of the standard library differ between its versions.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for file in files {
        for byte in
            file.to_string_lossy().into_owned().into_bytes().into_iter().chain(fs::read(file)?)
        {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo::rustc-env=VELODROME_BUILD={hash:016x}");
    Ok(())
}

/// Adds the file at `path`, or all files below it.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| list(&entry?.path(), files))
}
