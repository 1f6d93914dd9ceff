//! The commands of the binary: arguments in, exit status out.
//!
//! Each `run` returns 0 when all went well and 1 when a check or an input's end failed; an error is
//! a usage or input that could not be worked with, and ends the process with 2.

pub mod batch;
pub mod compare;
pub mod demo;
pub mod key;
pub mod replay;
pub mod serve;
mod signals;
pub mod simulate;
pub mod token;
pub mod transform;
pub mod verify;

use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, ensure};
use tokio::runtime::Handle;
use velodrome_dataflows::{Clock, Rules};

use crate::engine::{Cluster, ClusterError};
use crate::ingest::dead_letters::{DeadLetters, REJECTED};
use crate::ingest::inputs::{self, Input, Origin};
use crate::kinesis::StreamName;
use crate::remote::Remote;
use crate::results::{self, WriteError};
use crate::rules::{self, RulesError};
use crate::time;

/// Where AWS' services are asked.
#[derive(Debug, clap::Args)]
struct Endpoint {
    /// URL of a store or stream that speaks as AWS does; it goes before AWS_ENDPOINT_URL_S3,
    /// AWS_ENDPOINT_URL_KINESIS and AWS_ENDPOINT_URL, of which the last is for all services
    #[arg(
        long = "endpoint-url",
        id = "endpoint_url",
        env = "VELODROME_ENDPOINT_URL",
        value_name = "URL"
    )]
    url: Option<String>,
}

/// What a run takes from and to, and as of when.
#[derive(Debug, clap::Args)]
struct Source {
    /// Files or directories of JSON lines, plain or gzip, s3://bucket/prefix, or, but for a batch,
    /// kinesis:stream, in this order; '-' is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory to write the results into; those of an earlier run are replaced
    #[arg(long, env = "VELODROME_OUT", value_name = "DIR")]
    out: PathBuf,
    /// Results as they stood at this time of the event clock: as 2026-01-31T18:00:00Z, or in ms since the epoch
    #[arg(long, env = "VELODROME_AS_OF", value_name = "TIME", value_parser = time)]
    as_of: Option<Clock>,
    #[command(flatten)]
    endpoint: Endpoint,
}

impl Source {
    /// The inputs in order; what is elsewhere is read on `runtime`, and streams are found by `stream`.
    fn inputs(
        &self,
        runtime: &Handle,
        stream: impl Fn(&StreamName, &Remote) -> anyhow::Result<Input>,
    ) -> anyhow::Result<Vec<Input>> {
        let remote = Remote::new(self.endpoint.url.clone(), runtime.clone());
        let mut inputs = Vec::new();
        let are_files = |one: &PathBuf, next: &PathBuf| named(one).or(named(next)).is_none();
        for paths in self.paths.chunk_by(are_files) {
            match paths.first().and_then(|path| named(path)) {
                Some(name) => inputs.push(stream(&name.parse()?, &remote)?),
                None => inputs.extend(inputs::list(paths, &remote)?),
            }
        }
        Ok(inputs)
    }
}

/// A run from a source to results under one set of rules.
#[derive(Debug, clap::Args)]
struct Job {
    #[command(flatten)]
    source: Source,
    /// TOML file of rules other than Alleycat's
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl Job {
    fn rules(&self) -> Result<Rules, RulesError> {
        self.rules.as_deref().map(rules::load).transpose().map(Option::unwrap_or_default)
    }
}

/// A time of the event clock.
fn time(text: &str) -> Result<Clock, String> {
    let hint = "a time is as 2026-01-31T18:00:00Z or in ms since the epoch";
    time::parse_ms(text).ok_or_else(|| hint.to_owned())
}

/// The workers of a run.
#[derive(Debug, clap::Args)]
struct Work {
    /// Worker threads of this process; by default one a core
    #[arg(short, long, env = "VELODROME_WORKERS", value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// How many processes share the work; each is started with the same paths and rules
    #[arg(short = 'n', long, env = "VELODROME_PROCESSES", default_value = "1", value_name = "N")]
    processes: NonZeroUsize,
    /// Which of the processes this is, from 0; process 0 writes the results
    #[arg(short, long, env = "VELODROME_PROCESS", default_value_t = 0, value_name = "I")]
    process: usize,
    /// File with the address of each process, one host:port a line
    #[arg(long, env = "VELODROME_HOSTS", value_name = "FILE")]
    hosts: Option<PathBuf>,
}

impl Work {
    /// The cluster that they form.
    fn cluster(&self) -> Result<Cluster, ClusterError> {
        let workers = self.workers.or_else(|| thread::available_parallelism().ok());
        let workers = workers.map_or(1, NonZeroUsize::get);
        Cluster::new(workers, self.process, self.processes.get(), self.hosts.as_deref())
    }
}

/// The path where it is meant to name a stream.
fn named(path: &Path) -> Option<&str> {
    path.to_str().filter(|path| StreamName::is_meant(path))
}

/// Readies `out` for the results of `inputs`, before any work: what an earlier run left there goes,
/// and the file of rejected lines is begun.
fn prepare(out: &Path, inputs: &[Input]) -> anyhow::Result<DeadLetters> {
    ensure_apart(out, inputs)?;
    results::prepare(out)?;
    begin_letters(out)
}

/// The same for changes.
fn prepare_changes(out: &Path, inputs: &[Input]) -> anyhow::Result<DeadLetters> {
    ensure_apart(out, inputs)?;
    crate::compare::prepare(out)?;
    begin_letters(out)
}

fn begin_letters(out: &Path) -> anyhow::Result<DeadLetters> {
    let rejected = out.join(REJECTED);
    Ok(DeadLetters::create(&rejected).map_err(|e| WriteError::new(&rejected, e))?)
}

/// That no input lies in `out`.
fn ensure_apart(out: &Path, inputs: &[Input]) -> anyhow::Result<()> {
    let own = |path: &Path| {
        path.canonicalize().with_context(|| format!("cannot read '{}'", path.display()))
    };
    if out.is_dir() {
        let out = own(out)?;
        for input in inputs {
            let Origin::File(path) = &input.origin else { continue };
            ensure!(
                !own(path)?.starts_with(&out),
                "the input '{}' lies in --out, where results replace what is there; give another --out",
                path.display()
            );
        }
    }
    Ok(())
}

/// Prints what a run came to; that nobody reads it is no failure of the run.
fn print(text: impl Display) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot print the summary")
        }
        _ => Ok(()),
    }
}
