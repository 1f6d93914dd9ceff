//! Tests of the source against an in-process server whose responses each test scripts.

mod decode;
mod fake;
mod harness;
mod nodes;
mod positions;
mod replay;
mod shard_reader;
mod source;
mod stream;
