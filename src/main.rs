//! The binary: parses the command line, runs the command and prints its error.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use velodrome::open_files;
use velodrome::terminal::Printable;

/// All workers allocate at once when they decode and when rides close. This allocator scales with them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    open_files::raise_limit();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("velodrome: {}", Printable(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}
