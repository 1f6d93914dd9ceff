//! Velodrome: race telemetry and view events to records, results, leaderboards and view counts.

pub mod auth;
pub mod bans;
pub mod batch;
pub mod checkpoint;
pub mod commands;
pub mod engine;
pub mod feeds;
pub mod ingest;
pub mod log;
pub mod memory;
pub mod publish;
pub mod replace;
pub mod results;
pub mod rules;
pub mod serve;
pub mod service;
pub mod simulate;
pub mod verify;
