//! Runs a fuzz target under AFL++: `velodrome-fuzz TARGET`. Without a target it lists them all.

use std::env;
use std::process::ExitCode;

use velodrome::fuzz::TARGETS;

fn main() -> ExitCode {
    let Some(name) = env::args().nth(1) else {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        eprintln!("'{name}' is not a target; give one of the listed ones");
        return ExitCode::from(2);
    };
    afl::fuzz(true, |input| target(input));
    ExitCode::SUCCESS
}
