//! Arguments that say where a service stores its archive and its history objects.

use std::path::Path;

use anyhow::ensure;
use clap::builder::BoolishValueParser;

use crate::cluster::{NodeId, archive_folder};
use crate::commands::arguments::Endpoint;
use crate::service::{ARCHIVE, HISTORY};
use crate::store::{Acl, Location};

/// The archive and the history, in directories or in S3.
#[derive(Debug, clap::Args)]
pub(super) struct StorageArgs {
    /// Archive of the log: a directory or s3://bucket/prefix [default: DATA/archive]
    ///
    /// Each service needs an archive of its own.
    #[arg(long, env = "VELODROME_ARCHIVE", value_name = "DIR|S3")]
    archive: Option<Location>,
    /// Where to publish class-N.gz: a directory or s3://bucket/prefix [default: DATA/history]
    #[arg(long, env = "VELODROME_HISTORY", value_name = "DIR|S3")]
    history: Option<Location>,
    /// ACL of the objects if --history is in S3: public-read makes them readable by everybody
    #[arg(
        long,
        env = "VELODROME_HISTORY_ACL",
        value_name = "ACL",
        requires = "history",
        hide_possible_values = true
    )]
    history_acl: Option<Acl>,
    /// Start although parts of the log are missing or damaged, without their events
    #[arg(long, env = "VELODROME_ACCEPT_DAMAGE", value_parser = BoolishValueParser::new())]
    pub(super) accept_damage: bool,
    #[command(flatten)]
    pub(super) endpoint: Endpoint,
}

impl StorageArgs {
    /// The location of the archive. Each node of a cluster has a folder in a common archive.
    pub(super) fn archive(&self, data: &Path, node: Option<NodeId>) -> Location {
        match (&self.archive, node) {
            (None, _) => Location::Directory(data.join(ARCHIVE)),
            (Some(archive), None) => archive.clone(),
            (Some(archive), Some(id)) => archive.join(&archive_folder(id)),
        }
    }

    /// The archive in which each node of a cluster has a folder.
    pub(super) fn archives(&self, node: Option<NodeId>) -> Option<Location> {
        self.archive.clone().filter(|_| node.is_some())
    }

    /// The location of the history.
    pub(super) fn history(&self, data: &Path) -> Location {
        self.history.clone().unwrap_or_else(|| Location::Directory(data.join(HISTORY)))
    }

    /// The ACL of history objects, which only a bucket has.
    pub(super) fn history_acl(&self) -> anyhow::Result<Option<Acl>> {
        let is_bucket = matches!(self.history, Some(Location::Bucket(..)));
        ensure!(
            is_bucket || self.history_acl.is_none(),
            "--history-acl needs an s3:// --history; give one, or leave out --history-acl"
        );
        Ok(self.history_acl)
    }
}
