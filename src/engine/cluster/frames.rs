//! Follows the messages in timely's byte stream, to recognise its regular end.

/// A header is six big-endian integers of 64 bits. The fifth is the length of the payload. A header with
/// length 0 ends the stream (`timely_communication::networking::MessageHeader`).
const HEADER_BYTES: usize = 48;
const LENGTH_AT: usize = 32;

/// The position in a stream of messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The bytes of the current header so far.
    header: Vec<u8>,
    /// The bytes of the payload that are still to come.
    payload: u64,
    has_ended: bool,
}

impl Frames {
    /// Whether the last header of the stream has passed.
    pub(super) fn have_ended(&self) -> bool {
        self.has_ended
    }

    /// Follows the next bytes of the stream.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
            self.payload -= skipped as u64;
            bytes = bytes.get(skipped..).unwrap_or_default();

            let missing = bytes.len().min(HEADER_BYTES - self.header.len());
            let (header, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.header.extend_from_slice(header);
            bytes = rest;
            if self.header.len() == HEADER_BYTES {
                let length = self.header.get(LENGTH_AT..).and_then(|bytes| bytes.first_chunk());
                self.payload = length.map_or(0, |bytes| u64::from_be_bytes(*bytes));
                self.has_ended = self.payload == 0;
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use timely::communication::networking::MessageHeader;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let header = MessageHeader {
            channel: 7,
            source: 1,
            target_lower: 0,
            target_upper: 9,
            length,
            seqno: 3,
        };
        let mut bytes = Vec::new();
        header.write_to(&mut bytes).unwrap();
        // Zeros, which must not be mistaken for the last header.
        bytes.resize(bytes.len() + length, 0);
        bytes
    }

    proptest! {
        #[test]
        fn only_the_last_header_ends_a_stream(
            lengths in prop::collection::vec(1..300_usize, 0..6),
            cuts in prop::collection::vec(1..100_usize, 1..50),
        ) {
            let mut stream: Vec<u8> = lengths.into_iter().flat_map(message).collect();
            stream.extend(message(0));
            let (mut frames, mut rest, mut cuts) = (Frames::default(), &stream[..], cuts.iter().cycle());
            while !rest.is_empty() {
                prop_assert!(!frames.have_ended());
                let (bytes, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                frames.pass(bytes);
                rest = after;
            }
            prop_assert!(frames.have_ended());
        }
    }
}
