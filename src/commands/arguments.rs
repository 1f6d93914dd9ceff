//! Arguments that several commands share.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::runtime::Handle;
use velodrome_dataflows::{EventTime, Rules};

use super::{logging, parse};
use crate::check::Outcome;
use crate::engine::{Cluster, Settings};
use crate::ingest::inputs::{self, Input, InputError};
use crate::ingest::run_inputs::RunInputs;
use crate::ingest::streams;
use crate::kinesis::StreamName;
use crate::lazy_aws::LazyAws;
use crate::open_files;
use crate::open_rides::OPEN_RIDES_MAX;
use crate::rules::{self, RulesError};
use crate::store::Location;
use crate::time;

/// The URL that replaces those of AWS.
#[derive(Debug, clap::Args)]
pub(super) struct Endpoint {
    /// URL of a server that replaces AWS, such as http://127.0.0.1:9000
    ///
    /// It overrides the variables AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_KINESIS and AWS_ENDPOINT_URL.
    #[arg(
        long = "endpoint-url",
        id = "endpoint_url",
        env = "VELODROME_ENDPOINT_URL",
        value_name = "URL"
    )]
    pub(super) url: Option<String>,
}

/// The archive of a service that may be running.
#[derive(Debug, clap::Args)]
pub(super) struct ArchiveArgs {
    /// Archive of the service: a directory or s3://bucket/prefix [default: archive in the data directory]
    #[arg(long = "archive", id = "archive", env = "VELODROME_ARCHIVE", value_name = "DIR|S3")]
    pub(super) location: Option<Location>,
    #[command(flatten)]
    endpoint: Endpoint,
}

impl ArchiveArgs {
    /// The settings of AWS, whose calls run on `runtime`.
    pub(super) fn lazy_aws(&self, runtime: &Handle) -> LazyAws {
        LazyAws::new(self.endpoint.url.clone(), runtime.clone())
    }
}

/// The exit status of a check.
pub(super) fn exit_code(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Outcome::Undamaged => 0,
        Outcome::Damaged => 1,
        Outcome::Unread => 2,
    })
}

/// The most partitions that are merged. Each needs memory for its next events, and a thread.
const PARTITIONS_MAX: usize = 256;

/// The bound on open rides.
#[derive(Debug, clap::Args)]
pub(super) struct OpenRidesArgs {
    /// Maximum number of open rides
    ///
    /// A ride is open from its first event until an hour after it is over. An event that would open a
    /// further ride is rejected.
    #[arg(long = "open-rides", id = "open_rides", env = "VELODROME_OPEN_RIDES", value_name = "N",
        value_parser = parse::count, default_value_t = OPEN_RIDES_MAX)]
    pub(super) max: NonZeroUsize,
}

/// The inputs of a run, its result directory, and the time of its results.
#[derive(Debug, clap::Args)]
pub(super) struct InputArgs {
    /// Inputs in the order given: files, directories, s3://bucket/prefix, kinesis:STREAM, or -
    ///
    /// A file has JSON events on lines, one or several on each, or in an array; plain, gzip or zstd. The files
    /// of a directory or a bucket are read in the order of their paths. A Kinesis stream is read from its oldest record to the one
    /// that is newest when the run starts; the command batch cannot read a stream. The name - means
    /// standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory for the outputs
    ///
    /// It must be absent, empty, or have only the outputs of an earlier run of the same kind, which are
    /// replaced when the run is complete. A run that fails or is killed changes nothing in it.
    #[arg(long, env = "VELODROME_OUT", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Compute the results as of this time
    ///
    /// Events with a later time are ignored, and rides that had not ended by then have no results.
    /// Write the time as 2026-01-31T18:00:00Z or 2026-01-31T19:00:00+01:00, or in milliseconds since the epoch.
    #[arg(long, env = "VELODROME_AS_OF", value_name = "TIME", value_parser = time::parse_ms)]
    pub(super) as_of: Option<EventTime>,
    /// Read the inputs side by side and merge them by their event clocks
    ///
    /// Each PATH is a partition: events in their order, such as the file of one shard or the archive of one
    /// node. A directory is one partition. Without this option, the inputs are read one after another, and samples of a ride that is
    /// spread over several inputs are late. At most 256 paths.
    #[arg(long, env = "VELODROME_MERGE")]
    pub(super) merge: bool,
    #[command(flatten)]
    pub(super) open_rides: OpenRidesArgs,
    #[command(flatten)]
    endpoint: Endpoint,
}

impl InputArgs {
    /// The inputs in order, for process `process` of the run, which also reads the files `others`. Calls to
    /// AWS run on `runtime`; `open_stream` opens Kinesis streams.
    pub(super) fn inputs(
        &self,
        runtime: &Handle,
        process: usize,
        others: &[Option<&Path>],
        open_stream: impl Fn(&StreamName, &LazyAws) -> anyhow::Result<Input>,
    ) -> anyhow::Result<RunInputs> {
        let count = self.paths.len();
        ensure!(
            !self.merge || count <= PARTITIONS_MAX,
            "--merge got {count} paths; give at most {PARTITIONS_MAX}"
        );
        if self.merge {
            open_files::ensure(count).context("--merge reads all paths at the same time")?;
        }
        logging::print_warnings();
        let lazy_aws = LazyAws::new(self.endpoint.url.clone(), runtime.clone());
        let list = |path| match stream_name(path) {
            Some(name) => Ok(vec![open_stream(&name.parse()?, &lazy_aws)?]),
            None => anyhow::Ok(inputs::list_path(path, &lazy_aws)?),
        };
        let inputs = self.paths.iter().map(|path| list(path)).collect::<anyhow::Result<_>>()?;
        let inputs = RunInputs::new(inputs, self.merge);
        if let Some(path) = self.paths.first().filter(|_| inputs.inputs.is_empty()) {
            return Err(InputError::Empty(path.clone()).into());
        }
        streams::check(&inputs.inputs, others.iter().flatten().copied(), process)?;
        Ok(inputs)
    }

    /// Adds the options that all processes of a run must share.
    pub(super) fn add_to(&self, settings: Settings) -> Settings {
        let as_of = self.as_of.map_or("none".to_owned(), |time| time.to_string());
        settings
            .with("time (--as-of)", as_of)
            .with("--merge", self.merge)
            .with("maximum of open rides (--open-rides)", self.open_rides.max)
    }
}

/// The path, if it names a stream.
fn stream_name(path: &Path) -> Option<&str> {
    path.to_str().filter(|path| StreamName::has_scheme(path))
}

/// The arguments of a run that computes results under one set of rules.
#[derive(Debug, clap::Args)]
pub(super) struct ResultArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// Rules file in TOML, or the rules.json of results [default: Alleycat's rules]
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
}

impl ResultArgs {
    /// The rules in the file, or Alleycat's rules if no file is given.
    pub(super) fn rules(&self) -> Result<Rules, RulesError> {
        self.rules.as_deref().map(rules::load).transpose().map(Option::unwrap_or_default)
    }
}

/// The worker threads and processes of a run.
#[derive(Debug, clap::Args)]
pub(super) struct WorkerArgs {
    /// Number of worker threads in this process, 1 to 256 [default: one per core]
    #[arg(short, long, env = "VELODROME_WORKERS", value_name = "N",
        value_parser = parse::whole_number(1_usize, 256))]
    workers: Option<usize>,
    /// Number of processes that share the work
    ///
    /// Start each process with the same arguments, except for --process. All processes end with the same
    /// exit status.
    #[arg(short = 'n', long, env = "VELODROME_PROCESSES", default_value = "1", value_name = "N",
        value_parser = parse::count)]
    processes: NonZeroUsize,
    /// Index of this process, from 0; process 0 writes the results
    #[arg(short, long, env = "VELODROME_PROCESS", default_value_t = 0, value_name = "I",
        value_parser = parse::whole_number(0, usize::MAX))]
    process: usize,
    /// File with the addresses of the processes, one host:port on each line
    #[arg(long, env = "VELODROME_HOSTS", value_name = "FILE")]
    pub(super) hosts: Option<PathBuf>,
    /// Directory with ca.pem, and the certificate and key of this process; required if a host is not loopback
    ///
    /// 'velodrome cluster init' creates it. Process 0 uses node-0.pem and node-0-key.pem.
    #[arg(long, env = "VELODROME_CERTS", value_name = "DIR")]
    certs: Option<PathBuf>,
    /// Seconds to wait for the other processes to start, 1 to 86400
    #[arg(long, env = "VELODROME_WAIT_SECONDS", value_name = "N", default_value_t = 60,
        value_parser = parse::whole_number(1_u64, 86_400))]
    wait_seconds: u64,
}

impl WorkerArgs {
    /// The cluster of these processes.
    pub(super) fn cluster(&self) -> anyhow::Result<Cluster> {
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = self.workers.unwrap_or_else(cores);
        open_files::ensure(workers).context("each worker reads a file")?;
        let wait = Duration::from_secs(self.wait_seconds);
        let (process, processes) = (self.process, self.processes.get());
        let (hosts, certs) = (self.hosts.as_deref(), self.certs.as_deref());
        Ok(Cluster::new(workers, process, processes, hosts, certs, wait)?)
    }
}
