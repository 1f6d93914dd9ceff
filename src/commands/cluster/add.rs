//! `velodrome cluster add`: adds a node to the files of a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;

use super::init::address_at;
use crate::cluster;
use crate::commands::{output, parse};

/// Add a node to a cluster file, and create its certificate
///
/// It needs ca-key.pem in the directory. Then stop all nodes, copy the cluster file to each of them and the
/// certificate to the new one, and start all.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome cluster add --dir cluster --host 10.0.0.4")]
pub(super) struct AddArgs {
    /// Host of the node
    #[arg(long, env = "VELODROME_CLUSTER_HOST", value_name = "HOST")]
    host: String,
    /// Port on which the node listens for the others
    #[arg(long, env = "VELODROME_CLUSTER_PORT", value_name = "PORT", default_value_t = 7170,
        value_parser = parse::whole_number(1, u16::MAX))]
    port: u16,
    /// Directory of the files
    #[arg(long, env = "VELODROME_DIR", value_name = "DIR")]
    dir: PathBuf,
}

/// Adds the node, and prints its number.
///
/// # Errors
/// If a file cannot be read or written, or the cluster has a node at the address.
pub(super) fn run(args: &AddArgs) -> anyhow::Result<ExitCode> {
    ensure!(!args.host.is_empty(), "--host is empty; give the host of the node");
    let id = cluster::add(&args.dir, address_at(&args.host, args.port))?;
    output::print(format_args!("node {id}"))?;
    Ok(ExitCode::SUCCESS)
}
