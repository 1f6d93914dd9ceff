//! The service's clock: how it starts after the log's last time, and what operators learn about it.

use metrics::gauge;
use velodrome_dataflows::EventTime;

use super::config::Config;
use super::error::ServiceError;
use crate::health::Component;
use crate::log::Clock;
use crate::time::format_ms;

/// The greatest time between the log's last time and the start of a service that is not asked about.
const PAUSE_MS_MAX: u64 = 86_400_000;

/// A difference from the machine's clock below this is not reported.
const LEAD_MS_MIN: u64 = 1_000;

/// Starts the clock, not earlier than `last`: the time that the log and the checkpoint have reached, if
/// any. The clock of a stream starts with the stream.
///
/// # Errors
/// When the clock is more than a day later than `last`, unless the configuration accepts it. Rides would
/// retire and uuids be forgotten at once if a wrong clock was believed.
pub(super) fn start(config: &Config, last: Option<EventTime>) -> Result<(), ServiceError> {
    let Some(last) = last else { return Ok(()) };
    config.clock.start_at(last);
    let now = config.clock.now();
    let is_far_ahead = config.source.is_none() && now > last.saturating_add(PAUSE_MS_MAX);
    if is_far_ahead && !config.accept_clock {
        return Err(ServiceError::ClockAhead { now: format_ms(now), last: format_ms(last) });
    }
    Ok(())
}

/// Reports the difference between the clock and the machine's clock.
pub(super) fn report(clock: &Clock, component: &Component) {
    let Some(lead_ms) = clock.lead_ms() else { return };
    gauge!("velodrome_clock_lead_seconds").set(lead_ms as f64 / 1_000.0);
    let seconds = lead_ms.unsigned_abs() as f64 / 1_000.0;
    if lead_ms.unsigned_abs() < LEAD_MS_MIN {
        component.set_ok();
    } else if lead_ms > 0 {
        component.warn(format_args!(
            "{seconds:.1} s ahead of the machine's clock, which was set back or was ahead before; it runs \
             2 % slower until they agree"
        ));
    } else {
        component.warn(format_args!(
            "{seconds:.1} s behind the machine's clock, which was set forward; it runs 2 % faster until \
             they agree; restart the service to set it at once"
        ));
    }
}
