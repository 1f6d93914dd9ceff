//! The commands of the binary: arguments in, exit status out.
//!
//! Each `run` returns 0 when all went well and 1 when a check or an input's end failed; an error is
//! a usage or input that could not be worked with, and ends the process with 2.

pub mod batch;
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
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::runtime::Handle;
use velodrome_dataflows::Rules;

use crate::ingest::dead_letters::{DeadLetters, REJECTED};
use crate::ingest::inputs::{self, Input, Origin};
use crate::kinesis::StreamName;
use crate::remote::Remote;
use crate::results::{self, WriteError};
use crate::rules;

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

/// What a run takes from and to, and under which rules.
#[derive(Debug, clap::Args)]
struct Job {
    /// Files or directories of JSON lines, plain or gzip, s3://bucket/prefix, or, for a replay,
    /// kinesis:stream, in this order; '-' is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Directory to write the results into; those of an earlier run are replaced
    #[arg(long, env = "VELODROME_OUT", value_name = "DIR")]
    out: PathBuf,
    /// TOML file of rules other than Alleycat's
    #[arg(long, env = "VELODROME_RULES", value_name = "FILE")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    endpoint: Endpoint,
}

impl Job {
    /// The inputs in order, and the rules; what is elsewhere is read on `runtime`, and streams are found by
    /// `stream`.
    fn load(
        &self,
        runtime: &Handle,
        stream: impl Fn(&StreamName, &Remote) -> anyhow::Result<Input>,
    ) -> anyhow::Result<(Vec<Input>, Rules)> {
        let rules = self.rules.as_deref().map(rules::load).transpose()?.unwrap_or_default();
        let remote = Remote::new(self.endpoint.url.clone(), runtime.clone());
        let mut inputs = Vec::new();
        let are_files = |one: &PathBuf, next: &PathBuf| named(one).or(named(next)).is_none();
        for paths in self.paths.chunk_by(are_files) {
            match paths.first().and_then(|path| named(path)) {
                Some(name) => inputs.push(stream(&name.parse()?, &remote)?),
                None => inputs.extend(inputs::list(paths, &remote)?),
            }
        }
        Ok((inputs, rules))
    }
}

/// The path where it is meant to name a stream.
fn named(path: &Path) -> Option<&str> {
    path.to_str().filter(|path| StreamName::is_meant(path))
}

/// Readies `out` for the results of `inputs`, before any work: what an earlier run left there goes,
/// and the file of rejected lines is begun.
fn prepare(out: &Path, inputs: &[Input]) -> anyhow::Result<DeadLetters> {
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
    results::prepare(out)?;
    let rejected = out.join(REJECTED);
    Ok(DeadLetters::create(&rejected).map_err(|e| WriteError::new(&rejected, e))?)
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
