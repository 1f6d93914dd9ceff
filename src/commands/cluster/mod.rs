//! `velodrome cluster`: creates the files of a cluster, and prints its state.

mod add;
mod init;
mod status;

use std::process::ExitCode;

use clap::Subcommand;

/// Create the files of a cluster, or print its state
///
/// A cluster is one service on several nodes, each a process 'velodrome serve --cluster FILE --node N'.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Init(init::InitArgs),
    Add(add::AddArgs),
    Status(status::StatusArgs),
}

/// Runs the action.
///
/// # Errors
/// If a file exists or cannot be written, and if a node does not answer.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Init(args) => init::run(args),
        Action::Add(args) => add::run(&args),
        Action::Status(args) => status::run(&args),
    }
}
