//! Fuzz target of result files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs::{self, File};
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::VerifyError;
use crate::ingest::dead_letters::REJECTED;
use crate::results::{HISTORY, LEADERBOARD, RIDES, RULES, VIEWS};

/// The files of a directory without results. The histories follow them.
const FILES: [(&str, &str); 5] =
    [(RIDES, ""), (LEADERBOARD, "{}"), (VIEWS, "{}"), (REJECTED, ""), (RULES, "{}")];

/// Results are equal to themselves, or the error names the file that is invalid. The first byte selects
/// the file.
pub(crate) fn result_file(input: &[u8]) {
    let [selected, text @ ..] = input else { return };
    let dir = tempfile::tempdir().unwrap();
    let history = dir.path().join(HISTORY);
    fs::create_dir(&history).unwrap();
    FILES.iter().for_each(|(file, empty)| fs::write(dir.path().join(file), empty).unwrap());
    let name = match FILES.get(usize::from(*selected)) {
        Some((file, _)) => {
            fs::write(dir.path().join(file), text).unwrap();
            *file
        }
        None => {
            let name = "class-1.gz";
            let file = File::create(history.join(name)).unwrap();
            let mut out = GzEncoder::new(file, Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap();
            name
        }
    };
    match super::run(dir.path(), dir.path(), &mut io::sink()) {
        Ok(is_equal) => assert!(is_equal),
        Err(VerifyError::Parse(path, _) | VerifyError::Read(path, _)) => {
            assert!(path.ends_with(name), "{path:?}");
        }
        Err(error) => panic!("{error}"),
    }
}
