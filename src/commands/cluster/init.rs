//! `velodrome cluster init`: creates the files of a cluster.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;

use crate::cluster::{self, CLUSTER_FILE, NodeAddress};
use crate::commands::{output, parse};

/// The default port of each node's API.
const HTTP_PORT: u16 = 7070;

/// Create a cluster file, and certificates for its nodes
///
/// Copy the cluster file to each node with ca.pem, node-N.pem and node-N-key.pem. Keep ca-key.pem elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome cluster init --dir cluster
  velodrome cluster init --dir cluster --hosts 10.0.0.1,10.0.0.2,10.0.0.3 --workers 4")]
pub(super) struct InitArgs {
    /// Number of nodes, 2 to 64, all on this machine
    ///
    /// The first listens on --port, and each other on the port after that of the previous one.
    #[arg(long, env = "VELODROME_NODES", value_name = "N", default_value_t = 3,
        value_parser = parse::whole_number(2_usize, 64))]
    nodes: usize,
    /// Hosts of the nodes, separated by commas, 2 to 64: the first is node 0
    #[arg(
        long,
        env = "VELODROME_CLUSTER_HOSTS",
        value_name = "HOST",
        value_delimiter = ',',
        conflicts_with = "nodes"
    )]
    hosts: Vec<String>,
    /// Port on which the nodes listen for each other
    #[arg(long, env = "VELODROME_CLUSTER_PORT", value_name = "PORT", default_value_t = 7170,
        value_parser = parse::whole_number(1, u16::MAX))]
    port: u16,
    /// Number of worker threads of each node
    #[arg(short, long, env = "VELODROME_WORKERS", value_name = "N", default_value = "1",
        value_parser = parse::count)]
    workers: NonZeroUsize,
    /// Directory of the files, which is created
    #[arg(long, env = "VELODROME_DIR", value_name = "DIR")]
    dir: PathBuf,
}

/// Creates the files, and prints the path of the cluster file.
///
/// # Errors
/// If a host is empty, and if a file exists or cannot be written.
pub(super) fn run(args: InitArgs) -> anyhow::Result<ExitCode> {
    cluster::create(&args.dir, &args.addresses()?, args.workers)?;
    output::print(args.dir.join(CLUSTER_FILE).display())?;
    Ok(ExitCode::SUCCESS)
}

/// The addresses of a node on a machine of its own.
pub(super) fn address_at(host: &str, port: u16) -> NodeAddress {
    // An IPv6 address.
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    NodeAddress::new(format!("{host}:{port}"), format!("http://{host}:{HTTP_PORT}"))
}

impl InitArgs {
    fn addresses(&self) -> anyhow::Result<Vec<NodeAddress>> {
        if self.hosts.is_empty() {
            let last = usize::from(self.port) + self.nodes - 1;
            ensure!(
                last <= usize::from(u16::MAX),
                "the last node would have the port {last}; give a smaller --port"
            );
            let addresses = (0..self.nodes).map(|id| {
                let host = Ipv4Addr::LOCALHOST;
                let (port, http) = (usize::from(self.port) + id, usize::from(HTTP_PORT) + id);
                NodeAddress::new(format!("{host}:{port}"), format!("http://{host}:{http}"))
            });
            return Ok(addresses.collect());
        }
        let count = self.hosts.len();
        ensure!(
            (2..=64).contains(&count),
            "--hosts has {count} hosts; give 2 to 64, separated by commas"
        );
        let addresses = self.hosts.iter().map(|host| {
            ensure!(!host.is_empty(), "--hosts has an empty host; separate hosts by one comma");
            Ok(address_at(host, self.port))
        });
        addresses.collect()
    }
}
