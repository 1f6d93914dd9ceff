//! Arguments for the logs of a command.

use std::io::{self, IsTerminal};

use anyhow::anyhow;
use clap::builder::BoolishValueParser;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// What is logged on standard error.
#[derive(Debug, clap::Args)]
pub(super) struct LoggingArgs {
    /// What to log on standard error: a level, or levels by module
    ///
    /// Levels are off, error, warn, info, debug and trace. Levels by module are separated by commas, such as
    /// warn,velodrome::log=debug.
    #[arg(long, env = "VELODROME_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// Log JSON objects, one on each line
    #[arg(long, env = "VELODROME_LOG_JSON", value_parser = BoolishValueParser::new())]
    log_json: bool,
}

/// Prints the warnings of a command that has no logs, as its errors are printed.
pub(super) fn print_warnings() {
    let warnings = Targets::new().with_target("velodrome", Level::WARN);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).event_format(PlainMessage);
    // Fails only if the command logs already.
    registry().with(warnings).with(lines).try_init().unwrap_or_default();
}

/// Formats an event like an error of the command.
struct PlainMessage;

impl<S, N> FormatEvent<S, N> for PlainMessage
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        out.write_str("velodrome: ")?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

impl LoggingArgs {
    /// Starts logging.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let filter: Targets = self.log.parse().map_err(|_| {
            let log = &self.log;
            anyhow!("'{log}' is not a log filter; give a level such as info, or levels by module")
        })?;
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
        let filtered = registry().with(filter);
        let started = match self.log_json {
            true => filtered.with(lines.json()).try_init(),
            false => filtered.with(lines).try_init(),
        };
        started.map_err(|error| anyhow!("cannot start logging: {error}"))
    }
}
