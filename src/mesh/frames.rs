//! Follows the messages in timely's byte stream, to end a stream that was cut as timely expects.

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
    payload: usize,
    has_ended: bool,
}

impl Frames {
    /// Whether the last header of the stream has passed.
    pub(super) fn have_ended(&self) -> bool {
        self.has_ended
    }

    /// Follows the next bytes of the stream. Returns how many of them belong to the stream: timely panics
    /// when something follows the last header.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() && !self.has_ended {
            let skipped = rest.len().min(self.payload);
            self.payload -= skipped;
            rest = rest.get(skipped..).unwrap_or_default();

            let missing = rest.len().min(HEADER_BYTES - self.header.len());
            let (header, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.header.extend_from_slice(header);
            rest = after;
            if self.header.len() == HEADER_BYTES {
                let length = self.header.get(LENGTH_AT..).and_then(|bytes| bytes.first_chunk());
                let length = length.map_or(0, |bytes| u64::from_be_bytes(*bytes));
                self.payload = usize::try_from(length).unwrap_or(usize::MAX);
                self.has_ended = self.payload == 0;
                self.header.clear();
            }
        }
        bytes.len() - rest.len()
    }

    /// Writes the next bytes of a regular end to `bytes`: zeros that complete the current message, then a
    /// header of zeros. Returns their number, and 0 once the stream has ended.
    pub(super) fn pad(&mut self, bytes: &mut [u8]) -> usize {
        bytes.fill(0);
        self.pass(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::mem;
    use std::net::Shutdown;
    use std::sync::mpsc;

    use proptest::prelude::*;
    use timely::communication::Hooks;
    use timely::communication::allocator::zero_copy::bytes_exchange::{BytesPull, MergeQueue};
    use timely::communication::allocator::zero_copy::stream::Stream;
    use timely::communication::allocator::zero_copy::tcp::recv_loop;
    use timely::communication::networking::MessageHeader;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let header = MessageHeader {
            channel: 7,
            source: 1,
            target_lower: 0,
            target_upper: 1,
            length,
            seqno: 3,
        };
        let mut bytes = Vec::new();
        header.write_to(&mut bytes).unwrap();
        // Zeros, which must not be mistaken for the last header.
        bytes.resize(bytes.len() + length, 0);
        bytes
    }

    /// A stream that is cut after some bytes, and arrives in pieces.
    struct CutStream<I> {
        frames: Frames,
        bytes: Vec<u8>,
        pieces: I,
    }

    impl<I: Iterator<Item = usize>> Read for CutStream<I> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let piece = self.pieces.next().unwrap().min(bytes.len());
            let bytes = &mut bytes[..piece];
            if self.bytes.is_empty() {
                return Ok(self.frames.pad(bytes));
            }
            let rest = self.bytes.split_off(piece.min(self.bytes.len()));
            let piece = mem::replace(&mut self.bytes, rest);
            bytes[..piece.len()].copy_from_slice(&piece);
            Ok(self.frames.pass(&piece))
        }
    }

    impl<I> Write for CutStream<I> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<I: Iterator<Item = usize> + Send + Sync> Stream for CutStream<I> {
        fn try_clone(&self) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn set_nonblocking(&self, _: bool) -> io::Result<()> {
            Ok(())
        }

        fn shutdown(&self, _: Shutdown) -> io::Result<()> {
            Ok(())
        }
    }

    /// The messages that timely's own loop receives from a stream. It panics at an irregular end.
    fn received(bytes: Vec<u8>, pieces: &[usize]) -> Vec<u8> {
        let (sender, queues) = mpsc::channel();
        let (queue, mut reader) = MergeQueue::new_pair(Default::default(), None, None);
        sender.send(queue).unwrap();
        let pieces = pieces.iter().copied().cycle();
        let stream = CutStream { frames: Frames::default(), bytes, pieces };
        recv_loop(stream, vec![queues], 0, 0, 1, Hooks::default().refill, None);
        let mut received = Vec::new();
        reader.drain_into(&mut received);
        assert!(reader.is_complete());
        received.iter().flat_map(|bytes| bytes.iter().copied()).collect()
    }

    proptest! {
        #[test]
        fn timely_receives_the_complete_messages_of_a_cut_stream(
            lengths in prop::collection::vec(prop_oneof![1..300_usize, 65_000..66_000_usize], 0..6),
            is_complete in any::<bool>(),
            cut in 0.0..=1.0_f64,
            pieces in prop::collection::vec(prop_oneof![1..100_usize, Just(1 << 20)], 1..50),
        ) {
            let mut stream: Vec<u8> = lengths.iter().copied().flat_map(message).collect();
            if is_complete {
                stream.extend(message(0));
            } else {
                stream.truncate((stream.len() as f64 * cut) as usize);
            }
            let ends = lengths.iter().scan(0, |end, length| {
                *end += HEADER_BYTES + length;
                Some(*end)
            });
            let complete = ends.take_while(|end| *end <= stream.len()).last().unwrap_or_default();

            let received = received(stream.clone(), &pieces);
            prop_assert_eq!(&received[..complete], &stream[..complete]);
            // The message that was cut may follow, or its beginning if its length was cut.
            let rest = MessageHeader::try_read(&received[complete..]);
            let rest = rest.map_or(0, |header| header.required_bytes());
            prop_assert_eq!(received.len(), complete + rest);
        }

        #[test]
        fn bytes_after_the_last_header_do_not_belong_to_the_stream(
            lengths in prop::collection::vec(1..300_usize, 0..6),
            after in 0..100_usize,
        ) {
            let mut stream: Vec<u8> = lengths.into_iter().flat_map(message).collect();
            stream.extend(message(0));
            let length = stream.len();
            stream.resize(length + after, 1);
            let mut frames = Frames::default();
            prop_assert_eq!(frames.pass(&stream), length);
            prop_assert!(frames.have_ended());
            prop_assert_eq!(frames.pad(&mut [1; 10]), 0);
        }
    }
}
