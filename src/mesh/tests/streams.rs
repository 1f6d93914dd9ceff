//! A connection transfers bytes in both directions at once.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use super::certificates::Ca;
use super::pair;
use crate::mesh::Connection;

/// Many times what the sockets buffer.
const BYTES: usize = 24 << 20;

fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// Writes in pieces of changing sizes, with a new TLS key now and then.
fn send(mut connection: &Connection) {
    let mut sent = 0;
    while sent < BYTES {
        let piece = (1 + sent * 7 % 300_000).min(BYTES - sent);
        let bytes: Vec<_> = (sent..sent + piece).map(byte).collect();
        connection.write_all(&bytes).unwrap();
        sent += piece;
        if sent % 5 == 0 {
            connection.change_key();
        }
    }
}

fn receive(mut connection: &Connection) {
    let mut buffer = vec![0; 100_000];
    let mut received = 0;
    while received < BYTES {
        let limit = 1 + received % buffer.len();
        let read = connection.read(&mut buffer[..limit]).unwrap();
        assert_ne!(read, 0);
        for (at, found) in (received..).zip(&buffer[..read]) {
            assert_eq!(*found, byte(at), "at {at}");
        }
        received += read;
    }
}

fn check(connections: &[Connection; 2]) {
    thread::scope(|scope| {
        for connection in connections {
            scope.spawn(|| send(connection));
            scope.spawn(|| receive(connection));
        }
    });
}

#[test]
fn both_directions_transfer_at_once() {
    check(&pair(1, None, None));
}

#[test]
fn both_directions_transfer_at_once_with_tls_and_changing_keys() {
    let ca = Ca::new();
    check(&pair(1, Some(&ca.identity(1)), Some(&ca.identity(0))));
}

#[test]
fn shutdown_frees_those_that_wait_for_the_peer() {
    let ca = Ca::new();
    let identities = ca.identities(2);
    for tls in [false, true] {
        let of = |node: usize| tls.then(|| &identities[node]);
        let [idle, connection] = pair(1, of(1), of(0));
        thread::scope(|scope| {
            let reader = scope.spawn(|| (&connection).read(&mut [0; 10]));
            // Blocks once the sockets are full, because nobody reads.
            let writer = scope.spawn(|| (&connection).write_all(&vec![0; 64 << 20]));
            // The writer has begun.
            (&idle).read_exact(&mut [0; 10]).unwrap();
            connection.clone().shutdown();
            assert_eq!(reader.join().unwrap().unwrap_or(0), 0);
            assert!(writer.join().unwrap().is_err());
        });
    }
}

#[test]
fn reads_end_at_their_timeout_and_resume() {
    let ca = Ca::new();
    for identities in [None, Some([ca.identity(0), ca.identity(1)])] {
        let [one, two] = match &identities {
            None => pair(1, None, None),
            Some([zero, one]) => pair(1, Some(one), Some(zero)),
        };
        one.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut bytes = [0; 4];
        let timeout = (&one).read(&mut bytes).unwrap_err();
        assert_eq!(timeout.kind(), ErrorKind::WouldBlock);
        one.set_read_timeout(None).unwrap();
        (&two).write_all(b"late").unwrap();
        (&one).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"late");
    }
}
