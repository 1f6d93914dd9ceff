//! Velodrome: race telemetry and view events to records, results, leaderboards and view counts.

pub mod auth;
#[cfg(feature = "aws")]
pub mod aws;
pub mod bans;
pub mod batch;
pub mod checkpoint;
pub mod commands;
pub mod dead_letters;
pub mod engine;
pub mod feeds;
pub mod firehose;
pub mod health;
pub mod ingest;
pub mod kinesis;
pub mod log;
pub mod memory;
pub mod publish;
pub mod remote;
pub mod replace;
pub mod results;
pub mod rules;
pub mod serve;
pub mod service;
pub mod simulate;
pub mod store;
pub mod verify;
