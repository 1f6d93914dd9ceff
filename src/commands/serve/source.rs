//! Arguments that select a Kinesis stream as a source of events.

use crate::kinesis::{SourceConfig, Start, StreamName};

/// The stream to read.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// Also read events from a Kinesis stream; its time becomes the service's time
    #[arg(long = "source", env = "VELODROME_SOURCE", value_name = "kinesis:STREAM")]
    stream: Option<StreamName>,
    /// Where to start reading a stream for the first time: trim-horizon, latest, or a time
    ///
    /// With trim-horizon it starts at the oldest record, and with latest after the newest. A time is
    /// written as 2026-01-31T18:00:00Z or in milliseconds since the epoch. Later starts continue where the
    /// previous one ended. If --data already has events of other sources, reading starts at the time of
    /// the last one.
    #[arg(
        long = "source-from",
        env = "VELODROME_SOURCE_FROM",
        value_name = "START",
        default_value = "trim-horizon",
        requires = "stream"
    )]
    from: Start,
}

impl SourceArgs {
    /// The source, if a stream is given.
    pub(super) fn config(self) -> Option<SourceConfig> {
        let start = self.from;
        self.stream.map(|stream| SourceConfig { stream, start })
    }
}
