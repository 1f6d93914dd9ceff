//! A connection as timely sees it: a stream that never fails.
//!
//! A stream that fails makes timely's threads panic. The workers then panic too, and an input that is
//! dropped while its worker unwinds can abort the process. So a broken link ends the [`Fate`] instead.
//! Its writes go nowhere, and its reads wait until all workers have stopped. Then they complete the
//! current message and end the stream as timely does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use timely::communication::allocator::zero_copy::stream::Stream;

use super::fate::Fate;
use super::frames::Frames;
use super::peer::Peer;

/// The connection to a node during one generation.
pub(super) struct Link {
    peer: Peer,
    fate: Fate,
    /// The position of the reader.
    frames: Frames,
    is_lost: bool,
}

impl Link {
    /// The link to `peer`. It is lost when the peer accepts no bytes for longer than `silence_max`.
    pub(super) fn new(peer: Peer, fate: Fate, silence_max: Duration) -> io::Result<Self> {
        peer.connection.set_read_timeout(None)?;
        peer.connection.set_write_timeout(Some(silence_max))?;
        Ok(Self::of(peer, fate))
    }

    fn of(peer: Peer, fate: Fate) -> Self {
        Self { peer, fate, frames: Frames::default(), is_lost: false }
    }

    /// Ends the generation because the node is lost.
    fn end(&self, reason: &str) {
        self.fate.end(format!("{} is lost: {reason}", self.peer.name));
    }

    /// Ends the generation because an operation failed.
    fn fail(&self, error: &io::Error) {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.end("it does not respond"),
            _ => self.end(&error.to_string()),
        }
    }

    /// Reads until something arrives. Returns `None` if the connection is lost.
    fn receive(&mut self, bytes: &mut [u8]) -> Option<usize> {
        loop {
            match (&self.peer.connection).read(bytes) {
                Ok(0) => {
                    self.end("it closed its connection");
                    return None;
                }
                Ok(read) => return Some(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
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
            self.end("its workers have stopped");
        }
        Ok(read)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.fate.has_ended()
            && let Err(error) = (&self.peer.connection).write_all(bytes)
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
        Ok(Self::of(self.peer.clone(), self.fate.clone()))
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
    use std::thread;

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
        (&theirs).write_all(&message).unwrap();
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
        assert_eq!(received, b"live");
    }
}
