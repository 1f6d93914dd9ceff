//! Decompression and the memory budget.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::Semaphore;

use super::*;
use crate::serve::error::ApiError;

fn gzip(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    chunks.for_each(|chunk| encoder.write_all(&chunk).unwrap());
    encoder.finish().unwrap()
}

fn buffer(bytes: &[u8], budget: &Arc<Semaphore>) -> BodyBuffer {
    let mut buffer = BodyBuffer::new(Arc::clone(budget), BODY_BYTES_MAX);
    buffer.push(bytes).unwrap();
    buffer
}

fn shown(result: Result<BodyBuffer, ApiError>) -> String {
    format!("{:?}", result.map(|buffer| buffer.bytes().len()))
}

#[test]
fn a_gzip_bomb_of_1_gib_uses_no_more_memory_than_the_largest_body() {
    let zeros = gzip((0..1024).map(|_| vec![0; 1 << 20]));
    let budget = Arc::new(Semaphore::new(zeros.len() + BODY_BYTES_MAX));
    let bomb = buffer(&zeros, &budget);
    assert!(shown(bomb.decompressed()).contains("body_too_large"));
    drop(bomb);
    assert_eq!(budget.available_permits(), zeros.len() + BODY_BYTES_MAX);
}

#[test]
fn buffers_use_the_budget_until_they_are_dropped() {
    let budget = Arc::new(Semaphore::new(100));
    let compressed = gzip([vec![7; 60]].into_iter());
    let first = buffer(&compressed, &budget);
    let plain = first.decompressed().unwrap();
    assert_eq!(plain.bytes(), vec![7; 60]);
    assert_eq!(budget.available_permits(), 100 - 60 - compressed.len());
    assert!(shown(first.decompressed()).contains("busy"));
    drop((first, plain));
    assert_eq!(budget.available_permits(), 100);
}

#[test]
fn rejects_gzip_that_is_damaged_or_truncated() {
    let budget = Arc::new(Semaphore::new(1 << 20));
    let complete = gzip([b"{}".repeat(9)].into_iter());
    let (head, tail) = complete.split_at(complete.len() - 1);
    let mut flipped = complete.clone();
    flipped[12] ^= 0x40;
    for damaged in [head, tail, b"{}", &flipped, &[&complete[..], b"x"].concat()] {
        let result = buffer(damaged, &budget).decompressed();
        assert!(shown(result).contains("bad_body"), "{damaged:?}");
    }
    let two_members = [&complete[..], &complete[..]].concat();
    assert_eq!(buffer(&two_members, &budget).decompressed().unwrap().bytes(), b"{}".repeat(18));
}
