//! Velodrome turns race telemetry and view events into live standings, all-time records, race results,
//! leaderboards and view counts.
//!
//! This library contains all of the binary except the parsing of its command line. The dataflow graph
//! is a crate of its own, `velodrome-dataflows`. The modules are listed in reading order, from the
//! command line down. A module uses only modules listed below it.
//!
//! Commands and what they run:
//! - [`commands`]: one module per command; arguments in, exit status out
//! - [`backup`]: copies the data of a service
//! - [`check`]: finds damaged and missing files of a service
//! - [`service`]: starts and stops a live service, and switches it to new rules
//! - [`simulate`]: generates simulated races and writes them to files, or sends them as a load test
//! - [`batch`]: computes results without the dataflow graph, as a reference for checking it
//! - [`verify`]: compares result directories
//!
//! Input and output of a service:
//! - [`serve`]: the HTTP API, streams and the web page
//! - [`cluster`]: joins the nodes of one service, and forms the generations of their engine
//! - [`kinesis`]: reads and writes Kinesis streams
//! - [`firehose`]: the formats of Firehose deliveries and transformations
//! - [`publish`]: writes history objects for clients to download
//! - [`dead_letters`]: stores rejected events and uploads them to the archive
//! - [`auth`]: keys and tokens
//! - [`bans`]: the list of banned racers
//!
//! Computation:
//! - [`engine`]: timely workers that run the graph, for services, replays and comparisons
//! - [`mesh`]: authenticated connections between nodes, and timely workers that run over them
//! - [`checkpoint`]: the saved state of the graph
//! - [`live_state`]: standings, races and view counts as the graph last emitted them
//! - [`compare`]: writes the files of a rules comparison
//! - [`results`]: writes result files
//! - [`output_directory`]: replaces the outputs of a command atomically
//!
//! Events and storage:
//! - [`log`]: the durable log, its segments and its archive
//! - [`ingest`]: finds inputs, and decodes lines to events
//! - [`store`]: directories and S3 buckets as object stores
//! - [`lazy_aws`]: loads AWS settings at first use
//! - `aws`: access to AWS (feature `aws`)
//!
//! Shared by several of these:
//! - [`open_rides`]: decides which events may open a ride
//! - [`rebuild_requests`]: requests for new rules, and their progress
//! - [`rules`]: the rules file
//! - [`health`]: collects the faults of components and reports them at `/readyz`
//! - [`atomic_file`]: replaces files atomically
//! - [`backup_manifest`]: marks a directory as a complete or incomplete backup
//! - [`disk`]: writes, renames and syncs durable files
//! - [`file_id`]: the identity of files, and loops of symbolic links
//! - [`io_reason`]: errors of files with their remedies
//! - [`memory`]: memory use of the process
//! - [`open_files`]: the limit of open files
//! - [`terminal`]: foreign text for the terminal
//! - [`time`]: parses times
//! - `fuzz`: fuzz targets of all decoders (only in tests and for the fuzzer)

pub mod atomic_file;
pub mod auth;
#[cfg(feature = "aws")]
pub mod aws;
pub mod backup;
pub mod backup_manifest;
pub mod bans;
pub mod batch;
pub mod check;
pub mod checkpoint;
pub mod cluster;
pub mod commands;
pub mod compare;
pub mod dead_letters;
pub mod disk;
pub mod engine;
pub mod file_id;
pub mod firehose;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod health;
pub mod ingest;
pub mod io_reason;
pub mod json_checksum;
pub mod kinesis;
pub mod lazy_aws;
pub mod live_state;
pub mod log;
pub mod memory;
pub mod mesh;
pub mod open_files;
pub mod open_rides;
pub mod output_directory;
pub mod publish;
pub mod rebuild_requests;
pub mod results;
pub mod rules;
pub mod serve;
pub mod service;
pub mod simulate;
pub mod store;
pub mod terminal;
pub mod time;
pub mod verify;
