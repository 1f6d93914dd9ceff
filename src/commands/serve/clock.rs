//! Arguments about a service's clock.

use clap::builder::BoolishValueParser;

use crate::commands::parse;
use crate::log::Clock;

/// The service's clock, which tests and demonstrations accelerate.
#[derive(Debug, clap::Args)]
pub(super) struct ClockArgs {
    /// Start although the clock is more than a day later than the last event and the last checkpoint
    ///
    /// Give it when the service was really stopped for that long. With a wrong clock, all rides and views
    /// of the last days would be finished and forgotten.
    #[arg(long, env = "VELODROME_ACCEPT_CLOCK", value_parser = BoolishValueParser::new())]
    pub(super) accept_clock: bool,
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
