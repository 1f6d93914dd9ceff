//! Decompression and the memory budget.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::serve::client::Client;
use crate::serve::error::ApiError;

fn gzip(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    chunks.for_each(|chunk| encoder.write_all(&chunk).unwrap());
    encoder.finish().unwrap()
}

fn buffer(bytes: &[u8], memory: &BodyMemory) -> BodyBuffer {
    let mut buffer = BodyBuffer::new(memory.share(Client::Token(1)), BODY_BYTES_MAX);
    buffer.push(bytes).unwrap();
    buffer
}

fn shown(result: Result<BodyBuffer, ApiError>) -> String {
    format!("{:?}", result.map(|buffer| buffer.bytes().len()))
}

#[test]
fn a_gzip_bomb_of_1_gib_uses_no_more_memory_than_the_largest_body() {
    let zeros = gzip((0..1024).map(|_| vec![0; 1 << 20]));
    let bytes = 2 * (zeros.len() + BODY_BYTES_MAX);
    let memory = BodyMemory::new(bytes);
    let bomb = buffer(&zeros, &memory);
    assert!(shown(bomb.decompressed()).contains("body_too_large"));
    drop(bomb);
    assert_eq!(memory.free(), bytes);
}

#[test]
fn buffers_use_memory_until_they_are_dropped() {
    let memory = BodyMemory::new(200);
    let compressed = gzip([vec![7; 60]].into_iter());
    let first = buffer(&compressed, &memory);
    let plain = first.decompressed().unwrap();
    assert_eq!(plain.bytes(), vec![7; 60]);
    assert_eq!(memory.free(), 200 - 60 - compressed.len());
    assert!(shown(first.decompressed()).contains("busy"));
    drop((first, plain));
    assert_eq!(memory.free(), 200);
}

#[test]
fn rejects_gzip_that_is_damaged_or_truncated() {
    let memory = BodyMemory::new(1 << 20);
    let complete = gzip([b"{}".repeat(9)].into_iter());
    let (head, tail) = complete.split_at(complete.len() - 1);
    let mut flipped = complete.clone();
    flipped[12] ^= 0x40;
    for damaged in [head, tail, b"{}", &flipped, &[&complete[..], b"x"].concat()] {
        let result = buffer(damaged, &memory).decompressed();
        assert!(shown(result).contains("bad_body"), "{damaged:?}");
    }
    let two_members = [&complete[..], &complete[..]].concat();
    assert_eq!(buffer(&two_members, &memory).decompressed().unwrap().bytes(), b"{}".repeat(18));
}

#[test]
fn a_byte_order_mark_at_the_start_is_no_part_of_the_text() {
    let memory = BodyMemory::new(1 << 20);
    let bytes = b"\xef\xbb\xbf{}".to_vec();
    assert_eq!(buffer(&bytes, &memory).bytes(), b"{}");
    let compressed = gzip([bytes].into_iter());
    assert_eq!(buffer(&compressed, &memory).decompressed().unwrap().bytes(), b"{}");
    assert_eq!(buffer(b"{}\xef\xbb\xbf", &memory).bytes(), b"{}\xef\xbb\xbf");
}
