//! A proxy that cuts connections in the middle of a response.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A proxy in front of a server. It cuts its first connections.
pub(crate) struct CuttingProxy {
    pub(crate) url: String,
    /// The number of connections that are still to be cut.
    pub(crate) left: Arc<AtomicUsize>,
}

impl CuttingProxy {
    /// A proxy in front of `address`, whose first `cuts` connections end after `bytes` of responses.
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

/// Forwards at most `bytes`, then closes both connections.
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
