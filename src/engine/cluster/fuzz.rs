//! The fuzz target of messages between processes.

use super::message::Message;
use crate::mesh;

/// Messages that are received are written as the same messages, and reading ends.
pub(crate) fn messages(stream: &[u8]) {
    mesh::fuzz::messages::<Message>(stream);
}
