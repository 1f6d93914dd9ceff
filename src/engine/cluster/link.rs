//! A data link as timely sees it: a stream that never fails.
//!
//! A stream that fails makes timely's threads panic, which can abort the process while they unwind. So a
//! broken link reports its loss as an event, and then parks the thread that uses it. The process ends
//! because of the event.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;

use timely::communication::allocator::zero_copy::stream::Stream;

use super::control::Event;
use super::frames::Frames;

/// The data link to a process.
pub(super) struct Link {
    process: usize,
    stream: TcpStream,
    events: Sender<Event>,
    frames: Frames,
}

impl Link {
    pub(super) fn new(process: usize, stream: TcpStream, events: Sender<Event>) -> Self {
        Self { process, stream, events, frames: Frames::default() }
    }

    /// Reports the loss of the link, and never returns.
    fn lose(&self, reason: &str) -> ! {
        let lost = Event::LinkLost(self.process, reason.to_owned());
        self.events.send(lost).unwrap_or_default();
        loop {
            thread::park();
        }
    }

    /// The result of an operation that was not interrupted, or did not fail.
    fn check<T>(&self, result: io::Result<T>) -> io::Result<T> {
        match result {
            Err(error) if error.kind() != ErrorKind::Interrupted => self.lose(&error.to_string()),
            result => result,
        }
    }
}

impl Read for Link {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = match self.stream.read(bytes) {
            // The other process may have closed its end with bytes of ours unread.
            Err(_) if self.frames.have_ended() => 0,
            result => self.check(result)?,
        };
        if read == 0 && !self.frames.have_ended() {
            self.lose("its connection was closed");
        }
        self.frames.pass(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes);
        self.check(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stream.flush();
        self.check(flushed)
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::new(self.process, self.stream.try_clone()?, self.events.clone()))
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        // The other process may have closed the connection already.
        self.stream.shutdown(how).or(Ok(()))
    }
}
