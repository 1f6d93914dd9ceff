//! Refuses new work while the process has more memory than it may, before the kernel ends it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use metrics::gauge;

use crate::engine::Events;
use crate::health::Component;
use crate::log::Log;
use crate::memory::resident_bytes;

/// The interval between measurements. The queues of a service fill by less than 100 MB in it.
const INTERVAL: Duration = Duration::from_millis(100);

/// Lets `log` refuse events and reports to `component` while the process has more than `max_bytes` of
/// memory, until it has less than 95 % of them. Ends when `stopped` disconnects.
pub(super) fn run(
    log: &Log<Events>,
    max_bytes: u64,
    component: &Component,
    stopped: &Receiver<()>,
) {
    gauge!("velodrome_memory_max_bytes").set(max_bytes as f64);
    let mut is_refusing = false;
    while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let resident = resident_bytes();
        let was_refusing = is_refusing;
        is_refusing = resident > if was_refusing { max_bytes / 20 * 19 } else { max_bytes };
        if is_refusing == was_refusing {
            continue;
        }
        log.set_refusing(is_refusing);
        if is_refusing {
            component.fail(format_args!(
                "the process has more than --memory-max, {} MB; events, streams and new rules are \
                 refused until it has less",
                max_bytes / 1_000_000
            ));
        } else {
            component.set_ok();
        }
    }
}
