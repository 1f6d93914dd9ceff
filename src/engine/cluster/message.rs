//! The messages between processes.

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::mesh::WireMessage;

/// A message between two processes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Message {
    /// The first message of a connection, from the process that opened it.
    Hello(Hello),
    /// The reply to a valid hello.
    Accepted,
    /// From process 0: send your list of inputs, because it differs from mine.
    ListInputs,
    /// The reply to `ListInputs`.
    Inputs(Vec<String>),
    /// From process 0: all processes are admitted; open the data links of this run.
    Form { run: u64 },
    /// Nothing but a sign of life.
    Heartbeat,
    /// To process 0: all workers of the sender have their results. From process 0: those of all processes do.
    Finished,
    /// To process 0: the sender failed with this error.
    Failed(String),
    /// The end of the run with this exit status, and an error if it failed; or the refusal of a hello.
    End { status: u8, error: Option<String> },
}

/// The start of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The process that opened the connection.
    pub(super) from: usize,
    /// The process that it wants to reach.
    pub(super) to: usize,
    pub(super) purpose: Purpose,
}

/// What a connection is for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Purpose {
    /// The control connection of a process with these settings, to process 0.
    Control(Settings),
    /// A data link of a run. Only its members know its number.
    Link { run: u64 },
}

impl WireMessage for Message {
    /// The longest is a list of inputs: of millions of them at this size.
    const BYTES_MAX: u64 = 256 << 20;
}
