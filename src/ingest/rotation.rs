//! Dead letters of a service, which runs on and on: their file is bounded.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::dead_letters::{self, Place};

/// From where on a file becomes the predecessor: some 200,000 letters of the usual size. A request's
/// letters may go beyond, by six times its 8 MiB where all is control characters, so whoever sends
/// nonsense fills no more than 224 MiB of disk.
pub const ROTATE_BYTES: u64 = 64 << 20;

/// A file of dead letters with at most one predecessor, `<name>.1`.
#[derive(Debug)]
pub struct RotatingLetters {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl RotatingLetters {
    /// Goes on with the file at `path`, or begins it.
    ///
    /// # Errors
    /// A file that cannot be made or read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Keeps lines, each with its place and the reason why it was not taken: all of them or none.
    ///
    /// # Errors
    /// A file that cannot be written or moved; the next lines are tried again.
    pub fn keep<'a>(
        &mut self,
        lines: impl IntoIterator<Item = (Place<'a>, &'a str, &'a [u8])>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        for (place, reason, bytes) in lines {
            dead_letters::write(&mut text, place, reason, bytes)?;
        }
        if self.bytes >= ROTATE_BYTES {
            let mut predecessor = OsString::from(&self.path);
            predecessor.push(".1");
            fs::rename(&self.path, predecessor)?;
            *self = Self::open(&self.path)?;
        }
        if let Err(error) = self.file.write_all(&text) {
            // Half a letter would spoil the next one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += text.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place::Request { peer: "10.0.0.1:7", index: 3 };

    #[test]
    fn letters_tell_who_sent_which_event_and_are_kept_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejected.jsonl");
        RotatingLetters::open(&path).unwrap().keep([(PLACE, "no", &b"x"[..])]).unwrap();
        RotatingLetters::open(&path).unwrap().keep([(PLACE, "no", &b"\xff"[..])]).unwrap();
        let expected = "{\"peer\":\"10.0.0.1:7\",\"index\":3,\"reason\":\"no\",\"text\":\"x\"}\n\
                        {\"peer\":\"10.0.0.1:7\",\"index\":3,\"reason\":\"no\",\"textBase64\":\"/w==\"}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn a_full_file_takes_the_place_of_its_predecessor() {
        let dir = tempfile::tempdir().unwrap();
        let (path, predecessor) =
            (dir.path().join("rejected.jsonl"), dir.path().join("rejected.jsonl.1"));
        let mut letters = RotatingLetters::open(&path).unwrap();
        for round in 0..2 {
            let full = vec![b'0' + round; ROTATE_BYTES as usize];
            letters.keep([(PLACE, "full", &full[..])]).unwrap();
            letters.keep([(PLACE, "first", &b"x"[..])]).unwrap();
            assert!(fs::read_to_string(&path).unwrap().contains("first"));
            let before = fs::read(&predecessor).unwrap();
            assert!(before.len() as u64 >= ROTATE_BYTES);
            assert_eq!(before[before.len() - 4], b'0' + round);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
