//! Decompresses gzip members one after the other, and returns every byte before any damage.
//!
//! flate2's `MultiGzDecoder` discards the output of the call that finds the damage. The number of lines
//! read would then depend on the size of the reader's buffer.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// The maximum deflate window, as the base-2 logarithm that zlib expects (RFC 1950).
const WINDOW_BITS: u8 = 15;

/// The decompressed bytes of one or more gzip members.
pub(crate) struct Gunzip<R> {
    stream: R,
    decoder: Decompress,
    /// The error of `stream`. What the decoder still has of the bytes before it is returned first.
    broken: Option<io::Error>,
    /// The error that ended the stream. All bytes before it are returned first.
    failed: Option<io::Error>,
    /// Whether the current member was read to its end, checksum included.
    is_ended: bool,
}

impl<R: BufRead> Gunzip<R> {
    pub(crate) fn new(stream: R) -> Self {
        let decoder = Decompress::new_gzip(WINDOW_BITS);
        Self { stream, decoder, broken: None, failed: None, is_ended: false }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if buffer.is_empty() {
                return Ok(0);
            }
            let is_broken = self.broken.is_some();
            let filled = if is_broken { Ok(&[][..]) } else { self.stream.fill_buf() };
            let input = match filled {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    self.broken = Some(error);
                    &[][..]
                }
                input => input?,
            };
            let is_empty = input.is_empty();
            if is_empty && self.is_ended {
                return self.broken.take().map_or(Ok(0), Err);
            }
            if self.is_ended {
                // Zeros after a member are padding, not damage.
                let zeros = input.iter().take_while(|byte| **byte == 0).count();
                if zeros > 0 {
                    self.stream.consume(zeros);
                    continue;
                }
                self.decoder.reset(true);
                self.is_ended = false;
            }
            let (in_before, out_before) = (self.decoder.total_in(), self.decoder.total_out());
            let status = self.decoder.decompress(input, buffer, FlushDecompress::None);
            let consumed = self.decoder.total_in() - in_before;
            let produced = self.decoder.total_out() - out_before;
            self.stream.consume(usize::try_from(consumed).map_err(io::Error::other)?);
            match status {
                Ok(Status::StreamEnd) => self.is_ended = true,
                Ok(Status::Ok | Status::BufError) if is_empty && produced == 0 => {
                    let truncated = || {
                        let message = "the gzip stream is truncated";
                        io::Error::new(io::ErrorKind::UnexpectedEof, message)
                    };
                    self.failed = Some(self.broken.take().unwrap_or_else(truncated));
                }
                Ok(Status::Ok | Status::BufError) => {}
                // Its own message depends on the size of the buffer.
                Err(_) => {
                    let message = "the gzip stream is corrupt";
                    self.failed = Some(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
            if produced > 0 {
                return usize::try_from(produced).map_err(io::Error::other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads with a buffer of `size` bytes. Returns the bytes, and the error after them.
    fn read(bytes: &[u8], size: usize) -> (Vec<u8>, Option<String>) {
        let mut reader = Gunzip::new(io::BufReader::with_capacity(size, bytes));
        let (mut text, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (text, None),
                Ok(n) => text.extend(&buffer[..n]),
                Err(error) => return (text, Some(error.to_string())),
            }
        }
    }

    /// Text that compresses to a few hundred bytes.
    fn text() -> Vec<u8> {
        (0..500u32)
            .flat_map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    #[test]
    fn reads_member_after_member() {
        let bytes = [gzip(b"one\n"), vec![0; 20], gzip(b""), gzip(b"two\n"), vec![0; 7]].concat();
        assert_eq!(read(&bytes, 7), (b"one\ntwo\n".to_vec(), None));
    }

    #[test]
    fn returns_all_bytes_before_damage_for_every_buffer_size() {
        let (text, whole) = (text(), gzip(&text()));
        let half = whole.len() / 2;
        let broken = [&whole[..half], &[0xff; 64], &whole[half + 64..]].concat();
        let expected = read(&broken, 1);
        assert!(expected.1.as_ref().is_some_and(|e| e.contains("corrupt")), "{:?}", expected.1);
        assert_eq!(expected.0[..1000], text[..1000]);
        for size in [13, 1 << 16] {
            assert_eq!(read(&broken, size), expected);
        }
    }

    #[test]
    fn damage_at_any_byte_gives_the_same_error_for_every_buffer_size() {
        let whole = gzip(&text());
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x55;
            assert_eq!(read(&broken, 65), read(&broken, 1 << 16), "{at}");
        }
    }

    #[test]
    fn returns_all_bytes_before_an_error_of_the_stream_for_every_buffer_size() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let whole = gzip(&[b'a'; 2_000]);
        let read = |size: usize| {
            let mut reader =
                Gunzip::new(io::BufReader::new(whole[..whole.len() - 9].chain(Broken)));
            let (mut text, mut buffer) = (Vec::<u8>::new(), vec![0; size]);
            loop {
                match reader.read(&mut buffer) {
                    Ok(length) => text.extend(&buffer[..length]),
                    Err(error) => return (text, error.to_string()),
                }
            }
        };
        let expected = read(1 << 16);
        assert!(expected.0.len() > 1_000 && expected.1 == "broken");
        assert_eq!(read(1), expected);
    }

    #[test]
    fn reports_truncated_streams_bad_checksums_and_trailing_garbage() {
        let whole = gzip(&text());
        let mut wrong_sum = whole.clone();
        let crc = wrong_sum.len() - 8;
        wrong_sum[crc] ^= 1;
        let garbage = [&whole[..], b"garbage"].concat();
        for (bytes, part) in [
            (&whole[..whole.len() - 1], "truncated"),
            (&wrong_sum, "corrupt"),
            (&garbage, "corrupt"),
        ] {
            let (text_read, error) = read(bytes, 1 << 16);
            assert_eq!(text_read, text());
            assert!(error.as_ref().is_some_and(|e| e.contains(part)), "{error:?}");
        }
        for bytes in [&whole[..1], &whole[..5]] {
            assert_eq!(read(bytes, 64).1.as_deref(), Some("the gzip stream is truncated"));
        }
    }
}
