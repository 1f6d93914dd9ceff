//! Connections of strangers to a node's cluster port: they change nothing, while a cluster forms and while it runs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{NodeCluster, Options, generation, note};
use crate::run::view;

/// The time within which a cluster forms.
const PATIENCE: Duration = Duration::from_secs(60);

/// What strangers send.
fn messages() -> [Vec<u8>; 8] {
    [
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: velodrome\r\n\r\n".to_vec(),
        b"{}\n".to_vec(),
        b"\"accepted\"\n".to_vec(),
        br#"{"ready":{"generation":9,"complete":1,"shown":1,"clockMs":1,"bans":[]}}"#.to_vec(),
        [&b"{\"hello\":"[..], &vec![b'['; 100_000], b"\n"].concat(),
        vec![0xff; 100_000],
        tls_hello(),
    ]
}

/// The first message of a TLS client without a certificate.
fn tls_hello() -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = "node-0.velodrome".try_into().unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

/// Connects to a port as a stranger, and waits until the connection is closed. There must be no reply, except TLS.
fn disturb(address: &str, bytes: &[u8]) {
    let mut stranger = TcpStream::connect(address).unwrap();
    // The port may close the connection before it has read everything.
    _ = stranger.write_all(bytes);
    _ = stranger.shutdown(Shutdown::Write);
    let mut reply = Vec::new();
    _ = stranger.read_to_end(&mut reply);
    let is_tls = matches!(reply.first(), Some(0x15 | 0x16));
    assert!(reply.is_empty() || is_tls, "{}", String::from_utf8_lossy(&reply));
}

/// All strangers at all of these ports, a hundred at a time at each, and a port scan.
pub(crate) fn disturb_all(addresses: &[String]) {
    thread::scope(|scope| {
        for address in addresses {
            for message in messages().into_iter().cycle().take(100) {
                scope.spawn(move || disturb(address, &message));
            }
        }
    });
    for _ in 0..200 {
        for address in addresses {
            drop(TcpStream::connect(address).unwrap());
        }
    }
}

/// Connections that send nothing. They occupy all places until the port closes them.
pub(crate) fn occupy(address: &str) -> Vec<TcpStream> {
    (0..100).map(|_| TcpStream::connect(address).unwrap()).collect()
}

#[test]
fn strangers_change_nothing_while_a_cluster_forms_and_runs() {
    for has_certificates in [false, true] {
        let mut cluster = NodeCluster::create(Options { has_certificates, ..Options::default() });
        cluster.start_node(0);
        cluster.start_node(1);
        cluster.wait_note(1, "waits for the other nodes");
        let addresses = [0, 1, 2].map(|node| cluster.addresses.cluster(node));
        disturb_all(&addresses[..2]);
        // The link of node 2 to node 1 is refused at first. Others come and go.
        let silent = occupy(&addresses[1]);
        let (began, is_formed) = (Instant::now(), AtomicBool::new(false));
        thread::scope(|scope| {
            for address in &addresses[..2] {
                scope.spawn(|| {
                    while !is_formed.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
                        messages().iter().for_each(|bytes| disturb(address, bytes));
                    }
                });
            }
            cluster.start_node(2);
            cluster.wait_live();
            is_formed.store(true, Ordering::Relaxed);
        });
        let formed = generation(cluster.node(0));
        assert_eq!(formed, 1, "a stranger ended a generation");
        drop(silent);

        let token = cluster.node(1).post(&view(1, "a"));
        disturb_all(&addresses);
        for node in cluster.running() {
            assert_eq!(node.get(&format!("/v1/projects/p?after={token}"))["views"], 1);
            assert_eq!((generation(node), note(node).unwrap().as_str()), (formed, ""));
        }
    }
}

#[test]
fn a_tls_client_without_a_certificate_of_the_cluster_is_refused() {
    let cluster = NodeCluster::start(Options { has_certificates: true, ..Options::default() });
    let file = |name: &str| cluster.place.path(&format!("cluster/{name}")).display().to_string();
    let foreign = cluster.place.run("cluster init --dir foreign");
    assert_eq!(foreign.code, 0, "{}", foreign.stderr);
    let foreign = |name: &str| cluster.place.path(&format!("foreign/{name}")).display().to_string();
    let own = ["-cert", &foreign("node-1.pem"), "-key", &foreign("node-1-key.pem")];
    for (certificate, alert) in [(&[][..], "certificate required"), (&own, "unknown ca")] {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-connect", &cluster.addresses.cluster(0)]);
        // It waits for the alert, which follows the handshake.
        client.args(["-CAfile", &file("ca.pem"), "-ign_eof"]).args(certificate);
        client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let Ok(ended) = client.output() else {
            assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&ended.stderr).to_lowercase();
        assert!(text.contains(alert), "{text}");
    }
    assert_eq!(generation(cluster.node(0)), 1);
}
