//! Passes requests for new rules on to the cluster, one at a time.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::cluster::{NO_GENERATION, Requester};
use crate::rebuild_requests::{RebuildRequest, RebuildRequests};
use crate::rules;

/// The interval at which a switch checks whether it is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// The pause before a switch is requested again for which there was no generation.
const RETRY: Duration = Duration::from_secs(1);

/// Passes on requests until the service stops.
pub(super) fn run(requests: &RebuildRequests, cluster: &Requester) {
    while let Some(request) = requests.next() {
        let result = execute(requests, &request, cluster);
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

/// Returns true once the requested rules are active, or false if a later request replaced this one. Waits for a
/// generation that the rules can replace.
fn execute(
    requests: &RebuildRequests,
    request: &RebuildRequest,
    cluster: &Requester,
) -> Result<bool, String> {
    let rules = rules::canonical(&request.rules);
    let mut switched = cluster.switch(rules.clone(), request.is_forced);
    while requests.is_current(request) {
        match switched.recv_timeout(POLL) {
            Ok(Err(reason)) if reason == NO_GENERATION => {
                if requests.wait_while_current(request, RETRY) {
                    switched = cluster.switch(rules.clone(), request.is_forced);
                }
            }
            Ok(result) => return result.map(|()| true),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err("node 0 is lost; request the rules again".to_owned());
            }
        }
    }
    Ok(false)
}
