//! Writes a workload to a file, to standard output, or to a directory of objects.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::HumanCount;

use super::progress_bar::progress_bar;
use crate::simulate::{Workload, WriteStats, objects, stream};

/// Writes `workload` to `out`, and prints its size on standard error.
pub(super) fn run(workload: &Workload, out: &Path) -> anyhow::Result<ExitCode> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let bar = progress_bar(Some(workload.expected_lines()));
    let progress = |lines| bar.inc(lines);
    let begin = Instant::now();

    let name = out.as_os_str().as_encoded_bytes();
    let stats = if name == b"-" {
        match stream::write(workload, &mut io::stdout(), threads, progress) {
            // The reader of the pipe needs no more.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written.context("cannot write standard output")?,
        }
    } else if name.ends_with(b".jsonl") {
        File::create(out)
            .and_then(|mut file| stream::write(workload, &mut file, threads, progress))
            .with_context(|| {
                format!("cannot write '{}'; give --out a path that can be written", out.display())
            })?
    } else {
        objects::write(workload, out, threads, progress)?
    };
    bar.finish_and_clear();
    eprintln!("{}", summary(out, workload, stats, begin.elapsed()));
    Ok(ExitCode::SUCCESS)
}

/// The size of the workload and the speed, as text.
fn summary(out: &Path, workload: &Workload, stats: WriteStats, wall: Duration) -> String {
    let WriteStats { lines, json_bytes, stored_bytes } = stats;
    let out = match out.to_string_lossy() {
        out if out == "-" => "standard output".to_owned(),
        out if out.ends_with(".jsonl") => format!("'{out}'"),
        out => {
            let megabytes = stored_bytes as f64 / 1e6;
            format!("{} objects in '{out}' ({megabytes:.1} MB gzip)", workload.races())
        }
    };
    let wall = wall.as_secs_f64();
    let rate = (lines as f64 / wall.max(f64::MIN_POSITIVE)) as u64;
    format!(
        "{} lines, {:.1} MB, {:.1} bytes a line, to {out} in {wall:.2} s ({} lines/s)",
        HumanCount(lines),
        json_bytes as f64 / 1e6,
        json_bytes as f64 / lines.max(1) as f64,
        HumanCount(rate),
    )
}
