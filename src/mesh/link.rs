//! A connection as timely sees it: a stream that never fails.
//!
//! A stream that fails makes timely's threads panic. The workers then panic too, and an input that is
//! dropped while its worker unwinds can abort the process. So a broken link ends the [`Fate`] instead.
//! Its writes go nowhere, and its reads wait until all workers have stopped. Then they complete the
//! current message and end the stream as timely does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use timely::communication::allocator::zero_copy::stream::Stream;

use super::chunks::{ChunkReader, ChunkWriter};
use super::fate::Fate;
use super::frames::Frames;
use super::peer::Peer;

/// The interval of signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// The connection to a node during one generation.
pub(super) struct Link {
    peer: Peer,
    fate: Fate,
    silence_max: Duration,
    writer: Arc<ChunkWriter>,
    reader: ChunkReader,
    /// The position of the reader.
    frames: Frames,
    is_lost: bool,
}

impl Link {
    /// The link to `peer`. It is lost when the peer sends nothing, or accepts no bytes, for longer than `silence_max`.
    pub(super) fn new(peer: Peer, fate: Fate, silence_max: Duration) -> io::Result<Self> {
        peer.connection.set_read_timeout(Some(silence_max))?;
        peer.connection.set_write_timeout(Some(silence_max))?;
        let link = Self {
            peer,
            fate,
            silence_max,
            writer: Arc::default(),
            reader: ChunkReader::default(),
            frames: Frames::default(),
            is_lost: false,
        };
        let sender = link.try_clone()?;
        let thread = thread::Builder::new().name("link-alive".to_owned());
        thread.spawn(move || sender.send_signs_of_life())?;
        Ok(link)
    }

    /// Shows the peer that this node is alive, until the generation ends.
    fn send_signs_of_life(&self) {
        while self.fate.wait_timeout(SIGN_OF_LIFE.min(self.silence_max / 4)).is_none() {
            if let Err(error) = self.writer.write_sign_of_life(&self.peer.connection) {
                self.fail(&error);
            }
        }
    }

    /// Ends the generation because the node is lost.
    fn end(&self, reason: &str) {
        self.fate.end(format!("{} is lost: {reason}", self.peer.name));
    }

    /// Ends the generation because the node has ended it.
    fn end_after_peer(&self, reason: &str) {
        self.fate.end_as_consequence(format!("{} is lost: {reason}", self.peer.name));
    }

    /// Ends the generation because an operation failed.
    fn fail(&self, error: &io::Error) {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.end("it does not respond"),
            _ => self.end_after_peer(&error.to_string()),
        }
    }

    /// Reads until something arrives. Returns `None` if the connection is lost.
    fn receive(&mut self, bytes: &mut [u8]) -> Option<usize> {
        loop {
            match self.reader.read(&self.peer.connection, bytes) {
                Ok(0) => {
                    self.end_after_peer("it closed its connection");
                    return None;
                }
                Ok(read) => return Some(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.end(&format!("it sent nothing for {} s", self.silence_max.as_secs_f64()));
                    return None;
                }
                Err(error) => {
                    self.fail(&error);
                    return None;
                }
            }
        }
    }
}

impl Read for Link {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.is_lost || self.frames.have_ended() {
            return Ok(self.frames.pad(bytes));
        }
        let Some(read) = self.receive(bytes) else {
            self.is_lost = true;
            self.fate.wait_for_release();
            return Ok(self.frames.pad(bytes));
        };
        let read = self.frames.pass(bytes.get(..read).unwrap_or_default());
        if self.frames.have_ended() {
            self.end_after_peer("its workers have stopped");
        }
        Ok(read)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.fate.has_ended()
            && let Err(error) = self.writer.write(&self.peer.connection, bytes)
        {
            self.fail(&error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            peer: self.peer.clone(),
            fate: self.fate.clone(),
            silence_max: self.silence_max,
            writer: Arc::clone(&self.writer),
            reader: ChunkReader::default(),
            frames: Frames::default(),
            is_lost: false,
        })
    }

    /// Does nothing: timely only asks for a blocking stream, which this is.
    fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Does nothing: the mesh closes its connections. If a node closed them as soon as its workers stop
    /// because of a lost node, the others would take it for the lost one.
    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::mesh::tests::{PATIENCE, pair, peer};

    #[test]
    fn a_message_that_was_cut_reaches_timely_only_after_the_workers_have_stopped() {
        let [ours, theirs] = pair(1, None, None);
        let fate = Fate::default();
        let mut link = Link::new(peer(1, ours), fate.clone(), PATIENCE).unwrap();
        let (sender, reads) = mpsc::channel();
        let reading = thread::spawn(move || {
            let mut bytes = [1; 100];
            loop {
                let read = link.read(&mut bytes).unwrap();
                sender.send(bytes[..read].to_vec()).unwrap();
                if read == 0 {
                    return;
                }
            }
        });
        // The header of a message of 300 bytes, and a part of these.
        let mut message = [0; 50];
        message[38..40].copy_from_slice(&300_u16.to_be_bytes());
        ChunkWriter::default().write(&theirs, &message).unwrap();
        assert_eq!(reads.recv().unwrap(), message);
        theirs.shutdown();
        let reason = fate.wait_timeout(PATIENCE).unwrap();
        assert_eq!(reason, "node 1 is lost: it closed its connection");
        assert!(reads.recv_timeout(Duration::from_millis(50)).is_err(), "timely got the message");
        fate.release();
        reading.join().unwrap();
        // The rest of the message, and the last header.
        assert_eq!(reads.iter().flatten().collect::<Vec<_>>(), [0; 298 + 48]);
    }

    #[test]
    fn writes_go_nowhere_once_the_generation_has_ended() {
        let [ours, theirs] = pair(1, None, None);
        let fate = Fate::default();
        let mut link = Link::new(peer(1, ours.clone()), fate.clone(), PATIENCE).unwrap();
        link.write_all(b"live").unwrap();
        fate.end("the test is over");
        link.write_all(b"ended").unwrap();
        ours.shutdown();
        let mut received = Vec::new();
        (&theirs).read_to_end(&mut received).unwrap();
        assert_eq!(received, b"\0\0\0\x04live");
    }

    #[test]
    fn a_peer_without_signs_of_life_is_lost_and_one_that_only_has_nothing_to_send_is_not() {
        let [ours, theirs] = pair(1, None, None);
        let fates = [Fate::default(), Fate::default()];
        let silence_max = Duration::from_secs(2);
        let mut link = Link::new(peer(1, ours), fates[0].clone(), silence_max).unwrap();
        let _idle = Link::new(peer(0, theirs), fates[1].clone(), PATIENCE).unwrap();
        let reading = thread::spawn(move || link.read(&mut [0; 9]).unwrap());
        assert_eq!(fates[0].wait_timeout(silence_max + SIGN_OF_LIFE), None);
        // It sends no more of them.
        fates[1].end("the test is over");
        let reason = fates[0].wait_timeout(PATIENCE).unwrap();
        assert_eq!(reason, "node 1 is lost: it sent nothing for 2 s");
        fates[0].release();
        assert_eq!(reading.join().unwrap(), 9);
    }
}
