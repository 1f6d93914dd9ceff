//! The command line: one subcommand for each command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use velodrome::commands::{
    backup, batch, check, cluster, compare, demo, key, replay, serve, simulate, token, transform,
    verify,
};

/// The version and the build, which must be the same in all processes of a replay.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("VELODROME_BUILD"), ")");

/// Live standings, all-time records, race results, leaderboards and view counts from race telemetry
///
/// Run "velodrome demo" for a first look, and "velodrome help COMMAND" for the options of a command.
/// Most options can also be set as environment variables, which the help names.
///
/// Exit status: 0 for success, 1 if a check failed or an input is damaged, 2 if arguments or inputs
/// cannot be used.
#[derive(Debug, Parser)]
#[command(version = VERSION, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(Box<serve::Args>),
    Cluster(cluster::Args),
    Key(key::Args),
    Token(token::Args),
    Replay(replay::Args),
    Batch(batch::Args),
    Compare(compare::Args),
    Verify(verify::Args),
    Check(check::Args),
    Backup(backup::Args),
    Simulate(simulate::Args),
    Transform(transform::Args),
}

impl Cli {
    /// Runs the command and returns its exit status.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(args) => demo::run(args),
            Command::Serve(args) => serve::run(*args),
            Command::Cluster(args) => cluster::run(args),
            Command::Key(args) => key::run(args),
            Command::Token(args) => token::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Batch(args) => batch::run(args),
            Command::Compare(args) => compare::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Check(args) => check::run(args),
            Command::Backup(args) => backup::run(args),
            Command::Simulate(args) => simulate::run(args),
            Command::Transform(args) => transform::run(args),
        }
    }
}
