//! Passes requests for new rules on to the cluster, one at a time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::cluster::NO_GENERATION;
use crate::rebuild_requests::{RebuildRequest, RebuildRequests};
use crate::rules;

/// The interval at which a switch checks whether it is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// The pause before a switch is requested again for which there was no generation.
const RETRY: Duration = Duration::from_secs(1);

/// Why a switch has no result.
const LOST: &str = "node 0 is lost; request the rules again";

/// The result of a switch, when there is one.
type Switched = Receiver<Result<(), String>>;

/// Passes on requests until the service stops. `switch` requests rules, in their canonical form, from the cluster; whether
/// it is forced is its second argument.
pub(super) fn run(requests: &RebuildRequests, switch: impl Fn(String, bool) -> Switched) {
    while let Some(request) = requests.next() {
        let result = execute(requests, &request, &switch);
        match result {
            Ok(true) => requests.mark_done(&request),
            Ok(false) => {}
            Err(reason) => {
                tracing::error!(
                    rules = rules::id(&request.rules),
                    reason,
                    "the rules are unchanged"
                );
                requests.update_progress(&request, |progress| progress.failure = Some(reason));
            }
        }
    }
}

/// Returns true once the requested rules are active, or false if a later request replaced this one.
///
/// Only a replay that was requested with the start of the node waits for a generation. A client that requested rules may
/// have requested others at another node meanwhile, which the rules of an old request must not replace.
fn execute(
    requests: &RebuildRequests,
    request: &RebuildRequest,
    switch: impl Fn(String, bool) -> Switched,
) -> Result<bool, String> {
    let rules = rules::canonical(&request.rules);
    let mut switched = switch(rules.clone(), request.is_forced);
    while requests.is_current(request) {
        let result = match switched.recv_timeout(POLL) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => Err(LOST.to_owned()),
        };
        let can_wait = |reason: &String| reason == NO_GENERATION || reason == LOST;
        if !(request.is_forced && result.as_ref().is_err_and(can_wait)) {
            return result.map(|()| true);
        }
        if requests.wait_while_current(request, RETRY) {
            switched = switch(rules.clone(), request.is_forced);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc::sync_channel;

    use velodrome_dataflows::Rules;

    use super::*;

    #[test]
    fn only_the_replay_of_a_start_waits_for_a_generation() {
        for (is_forced, expected) in [(false, Err(NO_GENERATION.to_owned())), (true, Ok(true))] {
            let requests = RebuildRequests::default();
            match is_forced {
                true => requests.force(Rules::default()),
                false => requests.request(Rules::default()),
            }
            let request = requests.next().unwrap();
            let attempts = Cell::new(0);
            let switch = |_, _| {
                attempts.set(attempts.get() + 1);
                let (reply, switched) = sync_channel(1);
                match attempts.get() {
                    1 => reply.send(Err(NO_GENERATION.to_owned())).unwrap(),
                    // Node 0 is not there.
                    2 => drop(reply),
                    _ => reply.send(Ok(())).unwrap(),
                }
                switched
            };
            assert_eq!(execute(&requests, &request, switch), expected);
        }
    }
}
