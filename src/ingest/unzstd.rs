//! Decompresses zstd frames one after the other.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The decompressed bytes of one or more zstd frames. Frames with a window of more than 128 MiB are
/// refused, so memory is bounded.
pub(super) struct Unzstd<R> {
    source: R,
    frame: FrameDecoder,
    is_within_frame: bool,
}

impl<R: BufRead> Unzstd<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, frame: FrameDecoder::new(), is_within_frame: false }
    }

    /// Begins the next frame. Skips a frame without data.
    fn begin_frame(&mut self) -> io::Result<()> {
        match self.frame.init(&mut self.source) {
            Ok(()) => self.is_within_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
            }
            Err(error) => return Err(damaged(error)),
        }
        Ok(())
    }

    /// Checks the frame that ended.
    fn end_frame(&mut self) -> io::Result<()> {
        self.is_within_frame = false;
        let expected = self.frame.get_checksum_from_data();
        if expected.is_some() && expected != self.frame.get_calculated_checksum() {
            return Err(damaged(()));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Unzstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_within_frame {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.begin_frame()?;
                continue;
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                self.frame.decode_blocks(&mut self.source, block).map_err(damaged)?;
            }
            match self.frame.read(out)? {
                0 if !out.is_empty() => self.end_frame()?,
                length => return Ok(length),
            }
        }
    }
}

/// The decoder's own messages show its types, so they are replaced.
fn damaged<E>(_: E) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the zstd stream is damaged or truncated")
}
