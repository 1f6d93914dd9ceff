//! Arguments that accelerate a service's clock.

use crate::commands::parse;
use crate::log::Clock;

/// An accelerated clock, for tests and demonstrations.
#[derive(Debug, clap::Args)]
pub(super) struct ClockArgs {
    /// Run the service's clock this many times as fast, 1 to 1000, for tests
    #[arg(long, env = "VELODROME_CLOCK_SPEED", value_name = "FACTOR", requires = "clock_from",
        value_parser = speed)]
    clock_speed: Option<f64>,
    /// Time at which the accelerated clock equals the system's clock, in milliseconds since the epoch
    #[arg(long, env = "VELODROME_CLOCK_FROM", value_name = "MS", requires = "clock_speed",
        value_parser = parse::whole_number(0, u64::MAX))]
    clock_from: Option<u64>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (1.0..=1000.0).contains(speed));
    speed.ok_or_else(|| "give a number from 1 to 1000".to_owned())
}

impl ClockArgs {
    /// The accelerated clock, or the system's.
    pub(super) fn clock(&self) -> Clock {
        match (self.clock_from, self.clock_speed) {
            (Some(from), Some(speed)) => Clock::scaled(from, speed),
            _ => Clock::system(),
        }
    }
}
