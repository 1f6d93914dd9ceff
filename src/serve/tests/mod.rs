//! Tests of the HTTP interface over the network: a server on a port of its own, and real clients.

mod answers;
mod auth;
mod bans;
mod clients;
mod cluster;
mod denials;
mod early_answers;
mod edges;
mod firehose;
mod ingest;
mod ingest_limits;
mod ops;
mod routes;
mod server;
mod service;
mod shares;
mod stream;
mod stream_refusals;
mod tls;
mod tokens;
mod ui;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use velodrome_dataflows::EventTime;

use self::service::{Answer, Service, read_to_end};
use super::Config;
use super::auth::Auth;
use super::limits::Limits;
use super::proxies::TrustedProxies;

/// The arrival of all events.
const ARRIVAL_MS: u64 = 1_620_240_001_001;

/// When a change of bans takes effect: later than the time that is complete at first.
const BANS_SINCE_MS: u64 = 1_620_240_000_010;

/// A time limit that a test waits for.
const SHORT: Duration = Duration::from_millis(200);

/// The default limits, with time limits that a busy machine does not exceed.
fn limits() -> Limits {
    let long = Duration::from_secs(60);
    Limits {
        head_timeout: long,
        keep_alive: long,
        body_timeout: long,
        write_timeout: long,
        shutdown_timeout: long,
        ..Limits::default()
    }
}

/// The configuration of a service that requires no tokens.
fn without_tokens() -> Config {
    let proxies = TrustedProxies::default();
    Config { auth: Auth::Off, origins: Vec::new(), limits: limits(), proxies }
}

/// A race event of the usual form.
fn event(second: u32) -> String {
    format!(
        r#"{{"event":"update","deviceTimestamp":1620240001114,"second":{second},"raceId":5400802,"name":"Vito","racerId":103,"classId":1,"cadence":78.00666666666666,"resistance":57}}"#
    )
}

fn is_error(expected: u16, code: &str) -> (u16, String) {
    (expected, code.to_owned())
}

fn rate(per_second: u32) -> NonZeroU32 {
    NonZeroU32::new(per_second).unwrap()
}
