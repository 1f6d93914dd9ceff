//! The binary: parses the command line, runs the command and prints its error.

mod cli;

use std::env;
use std::process::ExitCode;

use clap::Parser;
use velodrome::commands::signals;
use velodrome::open_files;
use velodrome::terminal::Printable;

/// All workers allocate at once when they decode and when rides close. This allocator scales with them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before everything else: a signal must not kill a service that has begun to start.
    let command = env::args_os().nth(1).unwrap_or_default();
    // The commands install the handlers again, and report the error.
    if command == "serve" || command == "demo" {
        signals::install().map(drop).unwrap_or_default();
    }
    if command == "serve" {
        signals::count_hangups().map(drop).unwrap_or_default();
    }
    open_files::raise_limit();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("velodrome: {}", Printable(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}
