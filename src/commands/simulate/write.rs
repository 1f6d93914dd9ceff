//! Writes a workload to a file, to standard output, or to a directory of objects.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use flate2::{Compression, GzBuilder};
use indicatif::HumanCount;

use super::progress_bar::progress_bar;
use crate::output_directory::{Kind, OutputDirectory};
use crate::simulate::{Workload, WriteStats, objects, stream};

/// Writes `workload` to `out`, and prints its size on standard error.
pub(super) fn run(workload: &Workload, out: &Path) -> anyhow::Result<ExitCode> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let bar = progress_bar(Some(workload.expected_lines()));
    let progress = |lines| bar.inc(lines);
    let begin = Instant::now();

    let target = target(out);
    let stats = match target {
        Target::StandardOutput => {
            match stream::write(workload, &mut io::stdout(), threads, progress) {
                // The reader of the pipe needs no more.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                written => written.context("cannot write standard output")?,
            }
        }
        Target::File | Target::GzipFile => {
            let is_gzip = target == Target::GzipFile;
            write_file(workload, out, is_gzip, threads, progress).with_context(|| {
                format!("cannot write '{}'; give --out a path that can be written", out.display())
            })?
        }
        Target::Directory => {
            let outputs = OutputDirectory::create(out, Kind::Events)?;
            let stats = objects::write(workload, outputs.path(), threads, progress)?;
            outputs.commit()?;
            stats
        }
    };
    bar.finish_and_clear();
    eprintln!("{}", summary(out, workload, stats, begin.elapsed()));
    Ok(ExitCode::SUCCESS)
}

/// What the events are written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    StandardOutput,
    File,
    GzipFile,
    Directory,
}

/// What the path `out` names.
fn target(out: &Path) -> Target {
    match out.as_os_str().as_encoded_bytes() {
        b"-" => Target::StandardOutput,
        name if name.ends_with(b".jsonl") => Target::File,
        name if name.ends_with(b".gz") => Target::GzipFile,
        _ => Target::Directory,
    }
}

/// Writes `workload` as lines to the file `path`.
fn write_file(
    workload: &Workload,
    path: &Path,
    is_gzip: bool,
    threads: NonZeroUsize,
    progress: impl Fn(u64),
) -> io::Result<WriteStats> {
    let mut file = File::create(path)?;
    if !is_gzip {
        return stream::write(workload, &mut file, threads, progress);
    }
    let mut gzip = GzBuilder::new().write(file, Compression::fast());
    let stats = stream::write(workload, &mut gzip, threads, progress)?;
    let stored_bytes = gzip.finish()?.metadata()?.len();
    Ok(WriteStats { stored_bytes, ..stats })
}

/// The size of the workload and the speed, as text.
fn summary(out: &Path, workload: &Workload, stats: WriteStats, wall: Duration) -> String {
    let WriteStats { lines, json_bytes, stored_bytes } = stats;
    let (path, megabytes) = (out.display(), stored_bytes as f64 / 1e6);
    let out = match target(out) {
        Target::StandardOutput => "standard output".to_owned(),
        Target::File => format!("'{path}'"),
        Target::GzipFile => format!("'{path}' ({megabytes:.1} MB gzip)"),
        Target::Directory => {
            format!("{} objects in '{path}' ({megabytes:.1} MB gzip)", workload.races())
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
