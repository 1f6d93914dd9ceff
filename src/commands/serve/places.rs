//! Where a service keeps what is not its own alone: the archive and the history objects.

use std::path::Path;

use anyhow::ensure;

use crate::commands::Endpoint;
use crate::service::{ARCHIVE, HISTORY};
use crate::store::{Acl, Location};

/// Archive and history, in directories or in S3.
#[derive(Debug, clap::Args)]
pub(super) struct Places {
    /// Directory or s3://bucket/prefix of the log's archive; by default 'archive' in --data
    #[arg(long, env = "VELODROME_ARCHIVE", value_name = "DIR|S3")]
    archive: Option<Location>,
    /// Directory or s3://bucket/prefix to publish class-N.gz in; by default 'history' in --data
    #[arg(long, env = "VELODROME_HISTORY", value_name = "DIR|S3")]
    history: Option<Location>,
    /// Who else may read the objects of an s3:// --history: public-read is everybody
    #[arg(
        long,
        env = "VELODROME_HISTORY_ACL",
        value_name = "ACL",
        requires = "history",
        hide_possible_values = true
    )]
    history_acl: Option<Acl>,
    #[command(flatten)]
    pub(super) endpoint: Endpoint,
}

impl Places {
    pub(super) fn archive(&self, data: &Path) -> Location {
        self.archive.clone().unwrap_or_else(|| Location::Directory(data.join(ARCHIVE)))
    }

    pub(super) fn history(&self, data: &Path) -> Location {
        self.history.clone().unwrap_or_else(|| Location::Directory(data.join(HISTORY)))
    }

    pub(super) fn history_acl(&self) -> anyhow::Result<Option<Acl>> {
        let is_bucket = matches!(self.history, Some(Location::Bucket(..)));
        ensure!(
            is_bucket || self.history_acl.is_none(),
            "--history-acl is for an s3:// --history; give one, or leave it out"
        );
        Ok(self.history_acl)
    }
}
