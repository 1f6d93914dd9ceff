//! Where a service stores its archive and its history objects.

use std::path::Path;

use anyhow::ensure;

use crate::commands::arguments::Endpoint;
use crate::service::{ARCHIVE, HISTORY};
use crate::store::{Acl, Location};

/// Archive and history, in directories or in S3.
#[derive(Debug, clap::Args)]
pub(super) struct Places {
    /// Directory or s3://bucket/prefix of the archive [default: archive in --data]
    #[arg(long, env = "VELODROME_ARCHIVE", value_name = "DIR|S3")]
    archive: Option<Location>,
    /// Directory or s3://bucket/prefix of the history objects, class-N.gz [default: history in --data]
    #[arg(long, env = "VELODROME_HISTORY", value_name = "DIR|S3")]
    history: Option<Location>,
    /// Access to the objects of an s3:// --history: public-read allows everyone to read them
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
            "--history-acl requires --history s3://...; set both or remove it"
        );
        Ok(self.history_acl)
    }
}
