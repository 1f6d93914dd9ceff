//! Compares the clocks of nodes. The clocks of a cluster follow the fastest one, so one that is wrong would set all wrong.

use std::time::Duration;

use super::node_id::NodeId;
use crate::log::Clock;

/// The maximum difference between the clocks of two nodes.
const DIFFERENCE_MAX: Duration = Duration::from_secs(10);

/// Why a node whose clock shows `theirs_ms` is refused by node `own` with the clock `ours`; `None` if they differ by
/// little. Differences are those of the machines, also if the clocks run faster.
pub(super) fn refusal(theirs_ms: u64, ours: &Clock, own: NodeId) -> Option<String> {
    let ours_ms = ours.now();
    let difference_ms = theirs_ms.abs_diff(ours_ms);
    let difference_ms_max = ours.clock_ms_in(DIFFERENCE_MAX);
    if difference_ms <= difference_ms_max {
        return None;
    }
    let order = if theirs_ms > ours_ms { "ahead of" } else { "behind" };
    let seconds = DIFFERENCE_MAX.mul_f64(difference_ms as f64 / difference_ms_max as f64).as_secs();
    Some(format!(
        "its clock is {seconds} s {order} that of node {own}; set the clocks, for example with NTP"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_run_faster_may_differ_by_as_much_time_of_their_machines() {
        let now = Clock::system().now();
        for factor in [1.0, 60.0] {
            let clock = Clock::scaled(now, factor);
            let seconds = |seconds: u64| seconds * 1_000 * factor as u64;
            let ours = clock.now();
            assert_eq!(refusal(ours + seconds(9), &clock, 4), None, "{factor}");
            let reason = refusal(ours + seconds(1_000), &clock, 4).unwrap();
            assert!(reason.contains(" s ahead of that of node 4; "), "{factor}: {reason}");
            // A machine that stalls makes it later.
            let far = refusal(ours - seconds(100), &clock, 4).unwrap();
            assert!(far.starts_with("its clock is 10") && far.contains(" s behind that"), "{far}");
        }
    }
}
