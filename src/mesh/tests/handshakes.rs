//! Who is refused, and with which reason.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::certificates::Ca;
use super::{Outcome, deadline, meet, pair, sockets};
use crate::mesh::identity::{Verifiers, name};
use crate::mesh::{Connection, ConnectionError, Identity};

/// The error of the first read from a connection.
fn first_read(connection: &Connection) -> String {
    let mut connection = connection;
    connection.read(&mut [0; 100]).unwrap_err().to_string()
}

#[track_caller]
fn assert_refused(result: &Result<Connection, ConnectionError>, reason: &str) {
    let error = result.as_ref().unwrap_err().to_string();
    assert!(error.contains(reason), "{error:?} lacks {reason:?}");
}

fn roots(ca: &Ca) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.file()).unwrap()).unwrap();
    roots
}

#[test]
fn nodes_of_one_cluster_recognise_each_other() {
    let ca = Ca::new();
    let [accepted, connected] = pair(1, Some(&ca.identity(1)), Some(&ca.identity(2)));
    accepted.check_peer(2).unwrap();
    connected.check_peer(1).unwrap();
    (&connected).write_all(b"hello").unwrap();
    let mut hello = [0; 5];
    (&accepted).read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
}

#[test]
fn a_node_cannot_claim_to_be_another() {
    let ca = Ca::new();
    let [accepted, _connected] = pair(1, Some(&ca.identity(1)), Some(&ca.identity(2)));
    let error = accepted.check_peer(0).unwrap_err().to_string();
    assert!(error.contains("claims to be node 0"), "{error}");
    assert!(error.contains("valid for 'node-2.velodrome', not for 'node-0.velodrome'"), "{error}");
}

#[test]
fn a_node_at_the_address_of_another_is_refused() {
    let ca = Ca::new();
    let outcome = meet(1, Some(&ca.identity(2)), Some(&ca.identity(0)));
    assert_refused(&outcome.connected, "valid for 'node-2.velodrome', not for 'node-1.velodrome'");
    assert_refused(&outcome.accepted, "the peer refuses this node");
}

#[test]
fn a_node_of_another_cluster_is_refused() {
    let (ca, other) = (Ca::new(), Ca::new());
    let outcome = meet(1, Some(&other.identity(1)), Some(&ca.identity(0)));
    assert_refused(&outcome.connected, "not issued by the CA of this node");
    assert_refused(&outcome.accepted, "its CA did not issue the certificate of this node");
}

#[test]
fn a_certificate_of_another_ca_is_refused_and_its_node_learns_why() {
    let (ca, other) = (Ca::new(), Ca::new());
    // It trusts the right CA.
    let [cert, key] = other.issue(0);
    let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
    let verifiers = Verifiers::new(roots(&ca)).unwrap();
    let stranger =
        Identity::new(verifiers, chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap();
    let Outcome { connected, accepted } = meet(1, Some(&ca.identity(1)), Some(&stranger));
    assert_refused(&accepted, "not issued by the CA of this node");
    assert_refused(&connected, "its CA did not issue the certificate of this node");
}

#[test]
fn a_client_without_certificate_is_refused() {
    let ca = Ca::new();
    let [accepted, mut connected] = sockets();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&ca))
        .with_no_client_auth();
    let name = name(1).unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let client = thread::spawn(move || {
        while session.is_handshaking() {
            session.complete_io(&mut connected)?;
        }
        session.complete_io(&mut connected)
    });
    let refused = Connection::accept(accepted, Some(&ca.identity(1)), deadline());
    assert_refused(&refused, "the peer has no certificate");
    assert!(client.join().unwrap().is_err());
}

#[test]
fn plain_text_against_tls_is_refused() {
    let ca = Ca::new();
    let [accepted, mut connected] = sockets();
    for text in ["{\"hello\":{\"from\":0,\"to\":1}}\n", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0"] {
        connected.write_all(text.as_bytes()).unwrap();
        let identity = ca.identity(1);
        let refused =
            Connection::accept(accepted.try_clone().unwrap(), Some(&identity), deadline());
        assert_refused(&refused, "the peer does not speak TLS");
    }
    // The peer receives an alert.
    let connected = Connection::accept(connected, None, deadline()).unwrap();
    assert!(first_read(&connected).contains("the peer speaks TLS"));
}

#[test]
fn tls_against_plain_text_is_refused() {
    let identity = Ca::new().identity(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [listener.local_addr().unwrap()];
    let connecting =
        thread::spawn(move || Connection::connect(&addresses, 1, Some(&identity), deadline()));
    let accepted = Connection::accept(listener.accept().unwrap().0, None, deadline()).unwrap();
    assert!(first_read(&accepted).contains("the peer speaks TLS"));
    drop(accepted);
    assert_refused(&connecting.join().unwrap(), "the peer closed the connection");
}

#[test]
fn a_handshake_that_trickles_ends_at_its_deadline() {
    let ca = Ca::new();
    let mut hello = Vec::new();
    let mut session = ca.identity(0).connect(1).unwrap();
    session.write_tls(&mut hello).unwrap();
    let [accepted, mut connected] = sockets();
    let trickling = thread::spawn(move || {
        connected.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // The hello has some hundred bytes, which take seconds.
        for byte in hello {
            let sent = connected.write_all(&[byte]);
            match sent.and_then(|()| connected.read(&mut [0])) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return true,
            }
        }
        false
    });
    let start = Instant::now();
    let limit = Duration::from_millis(200);
    let late = Connection::accept(accepted, Some(&ca.identity(1)), start + limit);
    assert!(matches!(late, Err(ConnectionError::Late)), "{late:?}");
    let taken = start.elapsed();
    assert!(taken >= limit && taken < limit * 15, "{taken:?}");
    assert!(trickling.join().unwrap(), "the connection remained open");
}

#[test]
fn a_node_that_does_not_shake_hands_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [listener.local_addr().unwrap()];
    let limit = Instant::now() + Duration::from_millis(100);
    let late = Connection::connect(&addresses, 1, Some(&Ca::new().identity(0)), limit);
    assert!(matches!(late, Err(ConnectionError::Late)), "{late:?}");
}

#[test]
fn the_first_address_that_answers_is_used() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let connection = Connection::connect(&[closed, open], 1, None, deadline()).unwrap();
    assert_eq!(connection.peer_address().unwrap(), open);
    let refused = Connection::connect(&[closed], 1, None, deadline());
    assert_refused(&refused, &closed.to_string());
    assert_refused(&Connection::connect(&[], 1, None, deadline()), "node 1 has no address");
}
