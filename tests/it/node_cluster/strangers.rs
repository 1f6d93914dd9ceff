//! Connections of strangers to a node's cluster port: they change nothing, while a cluster forms and while it runs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{NodeCluster, Options, generation, note};
use crate::run::view;

/// The time within which a cluster forms.
const PATIENCE: Duration = Duration::from_secs(60);

/// What strangers send.
fn messages() -> [Vec<u8>; 7] {
    [
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: velodrome\r\n\r\n".to_vec(),
        b"{}\n".to_vec(),
        b"\"accepted\"\n".to_vec(),
        br#"{"ready":{"generation":9,"complete":1,"shown":1,"clockMs":1,"bans":[]}}"#.to_vec(),
        [&b"{\"hello\":"[..], &vec![b'['; 100_000], b"\n"].concat(),
        vec![0xff; 100_000],
    ]
}

/// Connects to the cluster port of a node at `address` as a stranger, and waits until the node closes the connection. The node must
/// not reply, except with an alert of TLS.
fn disturb(address: &str, bytes: &[u8]) {
    let mut stranger = TcpStream::connect(address).unwrap();
    // The port may close the connection before it has read everything.
    _ = stranger.write_all(bytes);
    _ = stranger.shutdown(Shutdown::Write);
    let mut reply = Vec::new();
    _ = stranger.read_to_end(&mut reply);
    assert!(reply.is_empty() || reply[0] == 0x15, "{}", String::from_utf8_lossy(&reply));
}

/// All strangers, at all nodes that run, and a port scan.
fn disturb_all(cluster: &NodeCluster, nodes: &[usize]) {
    thread::scope(|scope| {
        for node in nodes {
            for message in messages() {
                scope.spawn(move || disturb(&cluster.addresses.cluster(*node), &message));
            }
        }
    });
    for _ in 0..200 {
        for node in nodes {
            drop(TcpStream::connect(cluster.addresses.cluster(*node)).unwrap());
        }
    }
}

#[test]
fn strangers_change_nothing_while_a_cluster_forms_and_runs() {
    for has_certificates in [false, true] {
        let mut cluster = NodeCluster::create(Options { has_certificates, ..Options::default() });
        cluster.start_node(0);
        cluster.start_node(1);
        cluster.wait_note(1, "waits for the other nodes");
        disturb_all(&cluster, &[0, 1]);
        // They occupy all places for node 2 at node 1 until it disconnects them, so the link of node 2 is refused at
        // first. Others come and go.
        let silent: Vec<_> =
            (0..20).map(|_| TcpStream::connect(cluster.addresses.cluster(1)).unwrap()).collect();
        let addresses = [0, 1].map(|node| cluster.addresses.cluster(node));
        let (began, is_formed) = (Instant::now(), AtomicBool::new(false));
        thread::scope(|scope| {
            for address in &addresses {
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
        disturb_all(&cluster, &[0, 1, 2]);
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
