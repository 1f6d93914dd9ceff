//! Reports to the other nodes of a cluster while the shards of this node are read.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::archiving::Archiving;
use super::context::Context;
use super::shard_report::ShardReport;

/// The least interval between two reports. Half of the grace of the stream can be read in it.
const REPORT_INTERVAL: Duration = Duration::from_millis(20);

/// The interval between checks of the archive.
const ARCHIVE_INTERVAL: Duration = Duration::from_secs(1);

/// The name of the archive among the components of a source that can fail.
const ARCHIVE: &str = "archived positions";

/// Sends a report to the other nodes.
pub(super) type Announce = Arc<dyn Fn(ShardReport) + Send + Sync>;

/// Reports the progress of this node's shards whenever it changes. Never returns.
pub(super) async fn report_progress(context: &Context, announce: &Announce) {
    let mut is_start = true;
    loop {
        let progress = context.progress.take_changes();
        if is_start || !progress.is_empty() {
            announce(ShardReport { is_start, progress, ..ShardReport::default() });
        }
        is_start = false;
        sleep(REPORT_INTERVAL).await;
        context.progress.changed.notified().await;
    }
}

/// Reports what the archive of this node covers. Never returns.
pub(super) async fn report_archived(
    context: &Arc<Context>,
    archiving: &Arc<Archiving>,
    announce: &Announce,
) {
    loop {
        sleep(ARCHIVE_INTERVAL).await;
        let (checked, archiving) = (Arc::clone(context), Arc::clone(archiving));
        let check = move || archiving.check(|| checked.progress.own_positions());
        match spawn_blocking(check).await {
            Ok(Ok(covered)) => {
                context.failures.set_ok(ARCHIVE);
                let archived = context.progress.set_archived(covered.unwrap_or_default());
                if !archived.is_empty() {
                    announce(ShardReport { archived, ..ShardReport::default() });
                }
            }
            Ok(Err(error)) => context.failures.fail(ARCHIVE, error),
            Err(_) => {}
        }
    }
}
