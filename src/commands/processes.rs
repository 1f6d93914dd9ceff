//! Runs a command in all processes of a cluster.

use std::process::ExitCode;

use crate::engine::{Cluster, Members, Plan, Settings};

/// Forms `cluster`, runs `command` on it with `plan`, and ends all processes with the exit status of
/// process 0.
///
/// # Errors
/// If the cluster cannot form, if `command` fails in this process, or if the run fails elsewhere.
pub(super) fn run_in_all(
    cluster: Cluster,
    settings: Settings,
    plan: Plan,
    command: impl FnOnce(&mut Members, Plan) -> anyhow::Result<u8>,
) -> anyhow::Result<ExitCode> {
    let mut members = cluster.form(settings, &plan.describe_inputs())?;
    let result = command(&mut members, plan);
    let outcome = result.as_ref().copied().map_err(|error| format!("{error:#}"));
    let status = members.end(outcome);
    result?;
    Ok(ExitCode::from(status?))
}
