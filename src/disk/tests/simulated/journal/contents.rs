//! The contents of a file, and what is durable of them.

use rand::RngExt;
use rand_pcg::Pcg64;

/// The unit in which a disk writes.
const PAGE_BYTES: usize = 4096;

/// The contents of a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    durable: Vec<u8>,
    /// The changes since the last sync.
    pending: Vec<Change>,
    /// The length that processes see.
    length: u64,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLength(u64),
}

impl Contents {
    pub(super) fn durable(durable: Vec<u8>) -> Self {
        let length = durable.len() as u64;
        Self { durable, pending: Vec::new(), length }
    }

    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        self.pending.push(Change::Write(at, bytes.to_owned()));
        self.length = self.length.max(at + bytes.len() as u64);
    }

    pub(super) fn set_len(&mut self, length: u64) {
        self.pending.push(Change::SetLength(length));
        self.length = length;
    }

    pub(super) fn sync(&mut self) {
        self.pending.drain(..).for_each(|change| change.apply(&mut self.durable));
    }

    /// Keeps what is durable, and the part of the pending changes that `random` chooses.
    pub(super) fn lose_power(&mut self, random: &mut Pcg64) {
        for change in self.pending.drain(..) {
            change.apply_partly(&mut self.durable, random);
        }
        self.length = self.durable.len() as u64;
    }

    /// The durable bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.durable
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes that processes see.
    pub(super) fn visible(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::SetLength(length) => contents.resize(*length as usize, 0),
            Self::Write(at, bytes) => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                contents.resize(contents.len().max(end), 0);
                contents[at..end].copy_from_slice(bytes);
            }
        }
    }

    /// Applies the change completely, partly, or not at all.
    fn apply_partly(&self, contents: &mut Vec<u8>, random: &mut Pcg64) {
        match (self, random.random_range(0..4)) {
            (_, 0) => (),
            (_, 1) | (Self::SetLength(_), _) => self.apply(contents),
            (Self::Write(at, bytes), 2) => {
                let length = random.random_range(0..=bytes.len());
                Self::Write(*at, bytes[..length].to_owned()).apply(contents);
            }
            (Self::Write(at, bytes), _) => {
                // The length was written, but not all pages: the missing ones are old, or zero.
                let end = *at as usize + bytes.len();
                contents.resize(contents.len().max(end), 0);
                for (page, bytes) in bytes.chunks(PAGE_BYTES).enumerate() {
                    if random.random() {
                        let at = *at + (page * PAGE_BYTES) as u64;
                        Self::Write(at, bytes.to_owned()).apply(contents);
                    }
                }
            }
        }
    }
}
