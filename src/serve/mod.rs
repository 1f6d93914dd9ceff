//! The HTTP interface of a service. It depends on the handle of the engine, and not on the dataflow.
//!
//! ```text
//! connection limits ─► record ─► panics ─► origins ─► rate limit ─► token ─► started? ─► handler
//! ```
//!
//! Layers around the handlers log and count each request, limit the rate of its client, check its token,
//! and return 503 until the service has started. A handler checks each class and project that it reads
//! against the [`permissions::Permissions`] of the token. All errors are an [`error::ApiError`].
//!
//! [`router`] is on top and knows all handlers, which share the application `state`; `body`, `params`,
//! `limiter` and `permissions` are below them and do not depend on routes.

mod ack_latency;
mod alleycat;
mod answers;
mod append;
pub mod auth;
mod bans;
mod batch;
mod blocking;
mod body;
mod client;
mod cluster;
pub mod error;
mod etag;
mod excerpt;
mod fallback;
mod firebase;
mod firebase_tree;
mod firehose;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod health;
mod ingest;
mod limiter;
pub mod limits;
pub mod metrics;
mod middleware;
mod openapi;
pub mod origin;
pub mod params;
mod passing_refusals;
pub mod permissions;
pub mod proxies;
pub mod reads;
mod rebuild_status;
mod router;
mod rules;
pub mod server;
mod stale;
mod state;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tls;
mod ui;
pub mod visibility;

pub use self::router::router;
pub use self::state::{App, AppParts, Config};
