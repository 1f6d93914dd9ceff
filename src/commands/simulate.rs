//! `velodrome simulate`: a workload to a file, a pipe or a directory of objects.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{HumanCount, ProgressBar, ProgressFinish, ProgressStyle};

use crate::simulate::stream::Written;
use crate::simulate::{Parameters, Workload, objects, stream};

const DEFAULT: Parameters = Parameters::DEFAULT;

/// Simulate races: telemetry and view events as JSON lines, the same for the same arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to: a file whose name ends with .jsonl, - for standard output, or a directory of
    /// gzip objects as Firehose delivers them, one a race.
    #[arg(long, env = "VELODROME_OUT", value_name = "PATH")]
    out: PathBuf,
    /// Hours of racing, rounded to whole races of five minutes, at least one.
    #[arg(long, env = "VELODROME_HOURS", default_value_t = DEFAULT.hours)]
    hours: f64,
    /// How many racers there are.
    #[arg(long, env = "VELODROME_RACERS", default_value_t = DEFAULT.racers)]
    racers: u32,
    /// How many of them ride in each race; each sends an event a second.
    #[arg(long, env = "VELODROME_CONCURRENT", default_value_t = DEFAULT.concurrent)]
    concurrent: u32,
    /// How many classes they are spread over.
    #[arg(long, env = "VELODROME_CLASSES", default_value_t = DEFAULT.classes)]
    classes: u16,
    /// View and watch events, as a share of the race events that comes on top of them.
    #[arg(long, env = "VELODROME_VIEWS", default_value_t = DEFAULT.views)]
    views: f64,
    /// Share of race lines that are sent twice; of view and watch events ten times that share.
    #[arg(long, env = "VELODROME_DUPLICATES", default_value_t = DEFAULT.duplicates)]
    duplicates: f64,
    /// Another seed gives other racing.
    #[arg(long, env = "VELODROME_SEED", default_value_t = DEFAULT.seed)]
    seed: u64,
    /// Start of the first race, in ms since the epoch.
    #[arg(long, env = "VELODROME_START", value_name = "MS", default_value_t = DEFAULT.start_ms)]
    start: u64,
}

impl Args {
    fn parameters(&self) -> Parameters {
        Parameters {
            hours: self.hours,
            racers: self.racers,
            concurrent: self.concurrent,
            classes: self.classes,
            views: self.views,
            duplicates: self.duplicates,
            seed: self.seed,
            start_ms: self.start,
        }
    }
}

/// Writes the workload and tells on standard error how much it was.
///
/// # Errors
/// Arguments out of their range, an output that cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let workload = Workload::new(args.parameters())?;
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let bar = bar(workload.expected_lines());
    let progress = |lines| bar.inc(lines);
    let begin = Instant::now();

    let name = args.out.as_os_str().as_encoded_bytes();
    let written = if name == b"-" {
        match stream::write(&workload, &mut io::stdout(), threads, progress) {
            // Whoever read the pipe has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written.context("cannot write standard output")?,
        }
    } else if name.ends_with(b".jsonl") {
        File::create(&args.out)
            .and_then(|mut file| stream::write(&workload, &mut file, threads, progress))
            .with_context(|| {
                format!(
                    "cannot write '{}', give --out a path that can be written",
                    args.out.display()
                )
            })?
    } else {
        objects::write(&workload, &args.out, threads, progress)?
    };
    bar.finish_and_clear();
    eprintln!("{}", summary(&args, &workload, written, begin.elapsed()));
    Ok(ExitCode::SUCCESS)
}

/// A bar on standard error, hidden where that is no terminal.
fn bar(lines: u64) -> ProgressBar {
    let template = "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(lines).with_style(style).with_finish(ProgressFinish::AndClear)
}

/// How much went where, for a reader.
fn summary(args: &Args, workload: &Workload, written: Written, wall: Duration) -> String {
    let Written { lines, json_bytes, stored_bytes } = written;
    let out = match args.out.to_string_lossy() {
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
