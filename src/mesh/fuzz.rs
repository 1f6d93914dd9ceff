//! Fuzz targets of connections between nodes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use super::frames::Frames;
use super::wire::WireMessage;

/// Messages that are received are written as the same messages, and reading ends.
pub(crate) fn messages<M: WireMessage>(mut stream: &[u8]) {
    while let Ok(Some(message)) = M::receive(&mut stream) {
        let written = serde_json::to_vec(&message).unwrap();
        let again: M = serde_json::from_slice(&written).unwrap();
        assert_eq!(serde_json::to_vec(&again).unwrap(), written);
    }
}

/// The end of a stream of frames does not depend on how it is cut. The first byte is the size of a part.
pub(crate) fn frames(input: &[u8]) {
    let [size, stream @ ..] = input else { return };
    let (mut parts, mut complete) = (Frames::default(), Frames::default());
    let passed: usize = stream.chunks(usize::from(*size) + 1).map(|part| parts.pass(part)).sum();
    assert_eq!(passed, complete.pass(stream));
    assert_eq!(parts.have_ended(), complete.have_ended());
}
