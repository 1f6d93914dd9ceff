//! The binary: parses the command line, runs the command, prints what went wrong.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// Decoding and closing rides allocate on every worker at once, where this allocator scales.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("velodrome: {error:#}");
            ExitCode::from(2)
        }
    }
}
