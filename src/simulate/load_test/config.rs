//! The configuration of a load test.

use std::num::NonZeroUsize;

use super::rate::Rate;
#[cfg(feature = "aws")]
use crate::kinesis::put::StreamWriter;

/// The maximum number of connections. Each has a thread, and a machine can start this many threads
/// without special settings.
pub(super) const CONNECTIONS_MAX: usize = 1_000;

/// The configuration of a load test.
#[derive(Clone, Debug)]
pub struct LoadTest {
    /// Where events are sent.
    pub target: Target,
    /// How fast events are sent.
    pub rate: Rate,
    /// The number of connections, each with one request at a time; at most 1,000.
    pub connections: NonZeroUsize,
    /// The maximum number of events in a request. A stream accepts 500.
    pub batch: NonZeroUsize,
    /// Whether acknowledged events are looked up in the standings.
    pub is_probed: bool,
}

/// Where events are sent.
#[derive(Clone, Debug)]
pub enum Target {
    /// A running service.
    Service {
        /// Its address, as `http://host:port`, or those of the nodes of a cluster. A request that fails is sent
        /// again to the next.
        urls: Vec<String>,
        /// The token that is sent with each request.
        token: Option<String>,
    },
    /// A Kinesis stream.
    #[cfg(feature = "aws")]
    Stream(StreamWriter),
}
