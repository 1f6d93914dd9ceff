//! A network that cuts connections in the middle of an answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A way to a server on which the first connections are cut.
pub(crate) struct Cuts {
    pub(crate) url: String,
    /// How many connections are still to be cut.
    pub(crate) left: Arc<AtomicUsize>,
}

impl Cuts {
    /// The way to `address`, where each of `cuts` connections ends after `bytes` of answers.
    pub(crate) fn new(address: &str, cuts: usize, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (address, left) = (address.to_owned(), Arc::new(AtomicUsize::new(cuts)));
        let uncut = Arc::clone(&left);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&address).unwrap());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(from, to, usize::MAX));
                let cut = |left: usize| left.checked_sub(1);
                let is_cut = uncut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, cut).is_ok();
                thread::spawn(move || {
                    pass(server, client, if is_cut { bytes } else { usize::MAX })
                });
            }
        });
        Self { url, left }
    }
}

/// Passes on at most `bytes`, then cuts both ways.
fn pass(mut from: TcpStream, mut to: TcpStream, bytes: usize) {
    let (mut left, mut buffer) = (bytes, [0; 16 << 10]);
    while left > 0 {
        let size = left.min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..size]) else { break };
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        left -= read;
    }
    for end in [from, to] {
        end.shutdown(Shutdown::Both).unwrap_or_default();
    }
}
