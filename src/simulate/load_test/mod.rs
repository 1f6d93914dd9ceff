//! A load test: sends events to a running service over HTTP or to a Kinesis stream, and checks that the
//! service shows what it acknowledged.
//!
//! One thread generates what is sent, in order of arrival, and one thread for each connection sends it.
//! Between them are bounded queues. A request that fails temporarily is sent again, so nothing is lost.
//! The service does not count an event twice if it had already received the request.

mod backoff;
mod config;
mod error;
mod rate;
mod report;

mod event_source;
mod session;
mod stats;

mod http_client;
mod http_sender;
mod post_batch;
mod probe;

#[cfg(feature = "aws")]
mod kinesis_sender;
#[cfg(feature = "aws")]
mod record_queue;

mod run;
#[cfg(test)]
mod tests;

pub use config::{LoadTest, Target};
pub use error::LoadTestError;
pub use event_source::EventSource;
pub use rate::{Rate, RateError};
pub use report::{Latency, Progress, Report};
pub use run::run;
