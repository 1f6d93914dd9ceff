//! Fuzz targets: one function for each decoder of bytes from outside, which asserts what must hold for
//! all inputs. They exist only in tests and for the fuzzer (`scripts/fuzz`).
//!
//! The inputs in `tests/corpus/` are run by the tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(test)]
mod tests;
mod texts;

use crate::ingest::fuzz as ingest;
use crate::kinesis::fuzz as kinesis;
use crate::serve::fuzz as serve;
#[cfg(feature = "aws")]
use crate::store;
use crate::{
    bans, batch, checkpoint, cluster, dead_letters, engine, firehose, log, mesh, output_directory,
    simulate, verify,
};

/// A target: panics if its decoder does not hold what it promises for an input.
pub type Target = fn(&[u8]);

/// All targets by name, parsers written by hand first.
pub const TARGETS: &[(&str, Target)] = &[
    ("event", ingest::event),
    ("line_objects", ingest::line_objects),
    ("lines", ingest::lines),
    ("record", ingest::record),
    ("wrapped", ingest::wrapped),
    ("batch_event", batch::fuzz::batch_event),
    ("batch_texts", batch::fuzz::batch_texts),
    ("delivery", firehose::fuzz::delivery),
    ("transformation", firehose::fuzz::transformation),
    #[cfg(feature = "aws")]
    ("aggregate", kinesis::aggregate),
    ("log_line", log::fuzz::log_line),
    ("segments", log::fuzz::segments),
    ("archive_name", log::fuzz::archive_name),
    ("archive_object", log::fuzz::archive_object),
    ("body", serve::body),
    ("headers", serve::headers),
    ("query", serve::query),
    ("cursor", serve::cursor),
    ("tree_path", serve::tree_path),
    ("topics", serve::topics),
    ("event_id", serve::event_id),
    ("token", serve::token),
    ("keys", texts::keys),
    ("tls_files", serve::tls_files),
    ("rules", texts::rules),
    ("time", texts::time),
    ("ban_list", bans::fuzz::ban_list),
    ("backup_manifest", texts::backup_manifest),
    ("output_manifest", output_directory::fuzz::output_manifest),
    ("result_file", verify::fuzz::result_file),
    ("recorded", simulate::fuzz::recorded),
    ("source", kinesis::source),
    #[cfg(feature = "aws")]
    ("listed_key", store::listed_key),
    #[cfg(feature = "aws")]
    ("positions", kinesis::positions),
    ("checkpoint_row", checkpoint::fuzz::checkpoint_row),
    ("checkpoint_file", checkpoint::fuzz::checkpoint_file),
    ("messages", engine::fuzz::messages),
    ("node_messages", cluster::fuzz::node_messages),
    ("frames", mesh::fuzz::frames),
    ("dead_letter", dead_letters::fuzz::dead_letter),
    ("spool", dead_letters::fuzz::spool),
];
