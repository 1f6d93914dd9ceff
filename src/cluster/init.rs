//! Creates the files of a new cluster: `cluster.toml`, an authority, and a certificate for each node. Adds a node.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{CertifiedIssuer, KeyPair};
use ring::rand::{SecureRandom, SystemRandom};

use super::certificates::{authority, certificate};
use super::config::{ClusterFile, NodeEntry};
use super::error::ClusterError;
use super::node_id::NodeId;
use crate::atomic_file::replace_file;
use crate::disk::File;
use crate::mesh::{CA, certificate_files};

/// The key of the authority. A node does not need it.
const AUTHORITY_KEY: &str = "ca-key.pem";

/// The name of the cluster file.
pub const CLUSTER_FILE: &str = "cluster.toml";

/// Where a node of a new cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Host and port for the other nodes.
    pub address: String,
    /// The public URL of its API.
    pub url: String,
}

impl NodeAddress {
    /// The addresses of a node.
    pub fn new(address: String, url: String) -> Self {
        Self { address, url }
    }
}

/// The modes of files that only their owner may read, and of those that everybody may.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Creates `directory` with the files of a cluster whose nodes are at `addresses`, in the order of their ids from 0,
/// each with `workers` worker threads.
///
/// # Errors
/// When one of the files exists or cannot be written.
pub fn create(
    directory: &Path,
    addresses: &[NodeAddress],
    workers: NonZeroUsize,
) -> Result<(), ClusterError> {
    let failed = |reason| ClusterError::Create { directory: directory.to_owned(), reason };
    fs::create_dir_all(directory).map_err(failed)?;
    let file = cluster_file(addresses, workers).map_err(failed)?;
    // First, so that the files of an existing cluster stay as they are.
    write(directory, CLUSTER_FILE, PUBLIC, &text(&file)).map_err(failed)?;
    let generate = |error: rcgen::Error| failed(io::Error::other(error));
    let authority =
        KeyPair::generate().and_then(|key| authority(&file.cluster, key)).map_err(generate)?;
    write(directory, CA, PUBLIC, &authority.pem()).map_err(failed)?;
    write(directory, AUTHORITY_KEY, SECRET, &authority.key().serialize_pem()).map_err(failed)?;
    for NodeEntry { id, .. } in &file.nodes {
        write_certificate(directory, *id, &authority).map_err(failed)?;
    }
    Ok(())
}

/// Adds a node at `address` to the cluster file in `directory`, and creates its certificate with the key of the
/// authority, which must be there. Returns the id of the node: one more than the greatest.
///
/// # Errors
/// When the cluster file or the key cannot be read, and when a file exists or cannot be written.
pub fn add(directory: &Path, address: NodeAddress) -> Result<NodeId, ClusterError> {
    let path = directory.join(CLUSTER_FILE);
    let mut file = ClusterFile::read(&path)?;
    let failed = |reason| ClusterError::Create { directory: directory.to_owned(), reason };
    let key_file = directory.join(AUTHORITY_KEY);
    let key = fs::read_to_string(&key_file)
        .map_err(|reason| ClusterError::File { path: key_file, reason })?;
    let generate = |error: rcgen::Error| failed(io::Error::other(error));
    // Its certificate differs from the one in the directory, but that one verifies what this one signs, because it has
    // the same name and key.
    let authority =
        KeyPair::from_pem(&key).and_then(|key| authority(&file.cluster, key)).map_err(generate)?;
    let NodeAddress { address, url } = address;
    let id = file.add(address, url).map_err(|reason| ClusterError::Refused { path, reason })?;
    write_certificate(directory, id, &authority).map_err(failed)?;
    let text = text(&file);
    replace_file(directory, CLUSTER_FILE, |mut out: &File| out.write_all(text.as_bytes()))
        .map_err(failed)?;
    Ok(id)
}

/// Writes the certificate and the key of a node to new files.
fn write_certificate(
    directory: &Path,
    id: NodeId,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> io::Result<()> {
    let (certificate, key) = certificate(id, authority).map_err(io::Error::other)?;
    let [certificate_file, key_file] = certificate_files(id);
    write(directory, &certificate_file, PUBLIC, &certificate)?;
    write(directory, &key_file, SECRET, &key)
}

/// Writes a new file.
fn write(directory: &Path, name: &str, mode: u32, text: &str) -> io::Result<()> {
    let path = directory.join(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

const HEADER: &str = "\
# The nodes of a cluster. All nodes have the same file. Each also needs ca.pem, and its own node-N.pem and
# node-N-key.pem, in the same directory. Keep ca-key.pem elsewhere: it makes certificates for more nodes.
#
# cluster: a name that no other cluster has
# workers: the number of worker threads of each node
# address: host and port for the other nodes; keep it behind a firewall
# url: where clients reach the node
";

/// The text of a cluster file.
fn text(ClusterFile { cluster, workers, nodes }: &ClusterFile) -> String {
    let mut text = format!("{HEADER}cluster = \"{cluster}\"\nworkers = {workers}\n");
    for NodeEntry { id, address, url } in nodes {
        let entry = format!("\n[[nodes]]\nid = {id}\naddress = \"{address}\"\nurl = \"{url}\"\n");
        text.push_str(&entry);
    }
    text
}

fn cluster_file(addresses: &[NodeAddress], workers: NonZeroUsize) -> io::Result<ClusterFile> {
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
    let entry = |(id, NodeAddress { address, url }): (usize, &NodeAddress)| NodeEntry {
        id,
        address: address.clone(),
        url: url.clone(),
    };
    let cluster = format!("{:016x}", u64::from_be_bytes(random));
    let nodes = addresses.iter().enumerate().map(entry).collect();
    Ok(ClusterFile { cluster, workers, nodes })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::config::ClusterConfig;
    use super::*;

    /// The addresses of `count` nodes on loopback.
    pub(crate) fn on_loopback(count: usize) -> Vec<NodeAddress> {
        let address = |id| {
            let at = |port| format!("127.0.0.1:{}", port + id);
            NodeAddress::new(at(7170), format!("http://{}", at(7070)))
        };
        (0..count).map(address).collect()
    }

    #[test]
    fn every_node_loads_what_was_created_and_nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("cluster");
        let workers = NonZeroUsize::new(2).unwrap();
        create(&directory, &on_loopback(3), workers).unwrap();
        let path = directory.join(CLUSTER_FILE);
        for id in 0..3 {
            let config = ClusterConfig::load(&path, id).unwrap();
            assert_eq!((config.workers, config.nodes.len(), config.index), (2, 3, id));
            assert!(config.identity.is_some());
            assert_eq!(config.is_coordinator(), id == 0);
            let key = directory.join(format!("node-{id}-key.pem"));
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let before = fs::read(&path).unwrap();
        let error = create(&directory, &on_loopback(2), workers).unwrap_err().to_string();
        assert!(error.contains("exists"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
        let error = ClusterConfig::load(&path, 3).unwrap_err().to_string();
        assert!(error.contains("no node 3"), "{error}");

        let fourth = || on_loopback(4).remove(3);
        assert_eq!(add(&directory, fourth()).unwrap(), 3);
        let config = ClusterConfig::load(&path, 3).unwrap();
        assert_eq!((config.nodes.len(), config.index, config.workers), (4, 3, 2));
        assert!(config.identity.is_some());
        assert!(fs::read_to_string(&path).unwrap().starts_with(HEADER));
        let error = add(&directory, fourth()).unwrap_err().to_string();
        assert!(error.contains("node 3 has the address '127.0.0.1:7173' already"), "{error}");
        fs::remove_file(directory.join(AUTHORITY_KEY)).unwrap();
        let error = add(&directory, on_loopback(5).remove(4)).unwrap_err().to_string();
        assert!(error.contains("ca-key.pem"), "{error}");
        assert_eq!(ClusterConfig::load(&path, 0).unwrap().nodes.len(), 4);
    }
}
