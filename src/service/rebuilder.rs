//! The rebuilder: a thread that executes requests for new rules, one at a time.

use std::path::Path;
use std::time::Instant;

use metrics::{counter, gauge};
use velodrome_dataflows::Rules;

use super::checkpoint_file::REBUILT;
use super::mutex::lock;
use super::rebuild::Rebuild;
use super::rebuild_context::RebuildContext;
use super::rebuild_error::RebuildError;
use crate::checkpoint::Checkpoint;
use crate::engine::RunningEngine;
use crate::rebuild_requests::RebuildRequest;
use crate::rules;

/// Executes requests until the service stops.
pub(super) fn run(context: &RebuildContext) {
    while let Some(request) = context.rebuilds.next() {
        let id = rules::id(&request.rules);
        let began = Instant::now();
        gauge!("velodrome_rebuild_running").set(1.0);
        let outcome = match execute(context, &request) {
            Ok(true) => {
                context.rebuilds.mark_done(&request);
                let seconds = began.elapsed().as_secs_f64();
                tracing::info!(rules = id, seconds, "the requested rules are active");
                "done"
            }
            Ok(false) => {
                tracing::info!(rules = id, "the rebuild was cancelled");
                "cancelled"
            }
            Err(error) => {
                tracing::error!(rules = id, %error, "the rebuild failed; the rules are unchanged");
                let failure = Some(error.to_string());
                context.rebuilds.update_progress(&request, |progress| progress.failure = failure);
                "failed"
            }
        };
        counter!("velodrome_rebuilds_total", "outcome" => outcome).increment(1);
        gauge!("velodrome_rebuild_running").set(0.0);
    }
}

/// Returns true once the requested rules are active, or false if the request was cancelled.
fn execute(context: &RebuildContext, request: &RebuildRequest) -> Result<bool, RebuildError> {
    let engine = lock(&context.running).engine.clone();
    if !request.is_forced && *engine.rules().rules() == *request.rules {
        return Ok(true);
    }
    let path = context.data.join(REBUILT);
    let outcome = rebuild(context, request, &path);
    if !matches!(outcome, Ok(true)) {
        context.bans.detach_standby(|| context.log.standby_feed.detach(|| ()));
        if let Err(error) = Checkpoint::discard(&path) {
            tracing::warn!(%error, "cannot remove the checkpoint of a rebuild; the next start does");
        }
    }
    outcome
}

/// Starts a standby engine with its checkpoint at `path`, and replaces the service's engine with it.
fn rebuild(
    context: &RebuildContext,
    request: &RebuildRequest,
    path: &Path,
) -> Result<bool, RebuildError> {
    Checkpoint::discard(path)?;
    let checkpoint = Checkpoint::open(path, &request.rules)?;
    let standby = RunningEngine::start(context.workers, Rules::clone(&request.rules))?;
    // The bans must be the first command that the engine receives, so that no reader ever sees a banned
    // racer.
    context.bans.attach_standby(standby.engine.clone())?;
    Rebuild::new(context, request, standby, checkpoint).run()
}
