//! What authenticates a node: its certificate and key, and the CA of the cluster.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, Connection, Error, RootCertStore, ServerConfig,
    ServerConnection,
};

use super::error::IdentityError;
use super::reason;

/// The certificate and key of this node, and the CA that issues the certificates of all nodes.
///
/// Both sides of a connection authenticate, with TLS 1.3. The certificate of node n has the DNS name
/// `node-n.velodrome`. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Identity {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// The file with the certificate of the CA, in a directory of certificates.
pub const CA: &str = "ca.pem";

/// The files with the certificate and the key of a node, in a directory of certificates.
pub fn certificate_files(node: usize) -> [String; 2] {
    [format!("node-{node}.pem"), format!("node-{node}-key.pem")]
}

impl Identity {
    /// Loads the identity of `node` from a directory of certificates, as `velodrome cluster init` writes it.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn load_from(directory: &Path, node: usize) -> Result<Self, IdentityError> {
        let [cert, key] = certificate_files(node).map(|name| directory.join(name));
        Self::load(node, &cert, &key, &directory.join(CA))
    }

    /// Loads the identity of `node` from PEM files: `cert` contains its certificate, followed by those of
    /// intermediate CAs; `key` its private key; `ca` the certificates of the CA.
    ///
    /// # Errors
    /// A file cannot be read, the key does not belong to the certificate, or the other nodes would refuse
    /// the certificate: it must be valid for `node` now, as a TLS server and client, and issued by the CA.
    pub fn load(node: usize, cert: &Path, key: &Path, ca: &Path) -> Result<Self, IdentityError> {
        let chain = certificates(cert, "the certificate of this node")?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable(key, "the private key of this node", error))?;
        let mut roots = RootCertStore::empty();
        let untrusted =
            |error: Error| IdentityError::Ca { path: ca.to_owned(), reason: error.to_string() };
        for root in certificates(ca, "the certificate of the CA")? {
            roots.add(root).map_err(untrusted)?;
        }
        let verifiers = Verifiers::new(roots).map_err(untrusted)?;
        verifiers.verify(node, &chain).map_err(|error| IdentityError::Certificate {
            path: cert.to_owned(),
            node,
            reason: certificate_reason(&error),
        })?;
        Self::new(verifiers, chain, private).map_err(|error| IdentityError::Key {
            key: key.to_owned(),
            cert: cert.to_owned(),
            reason: match error {
                Error::InconsistentKeys(_) => "it belongs to another certificate".to_owned(),
                error => error.to_string(),
            },
        })
    }

    pub(super) fn new(
        verifiers: Verifiers,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_webpki_verifier(verifiers.server)
            .with_client_auth_cert(chain.clone(), key.clone_key())?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifiers.client)
            .with_single_cert(chain, key)?;
        // Connections are few and long, so sessions are not resumed.
        client.resumption = Resumption::disabled();
        server.send_tls13_tickets = 0;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    /// The TLS session of a connection to `node`.
    pub(super) fn connect(&self, node: usize) -> Result<Connection, Error> {
        ClientConnection::new(Arc::clone(&self.client), name(node)?).map(Connection::Client)
    }

    /// The TLS session of an accepted connection.
    pub(super) fn accept(&self) -> Result<Connection, Error> {
        ServerConnection::new(Arc::clone(&self.server)).map(Connection::Server)
    }
}

/// Verify the certificates of other nodes.
pub(super) struct Verifiers {
    client: Arc<dyn ClientCertVerifier>,
    server: Arc<WebPkiServerVerifier>,
}

impl Verifiers {
    pub(super) fn new(roots: RootCertStore) -> Result<Self, Error> {
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let failed = |error| Error::General(format!("{error}"));
        let client =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let server = WebPkiServerVerifier::builder_with_provider(roots, provider);
        Ok(Self {
            client: client.build().map_err(failed)?,
            server: server.build().map_err(failed)?,
        })
    }

    /// Verifies a chain as the other nodes verify it.
    fn verify(&self, node: usize, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        let (cert, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        let now = UnixTime::now();
        self.client.verify_client_cert(cert, intermediates, now)?;
        self.server.verify_server_cert(cert, intermediates, &name(node)?, &[], now)?;
        Ok(())
    }
}

/// The DNS name in the certificate of a node.
pub fn node_name(node: usize) -> String {
    format!("node-{node}.velodrome")
}

/// The DNS name in the certificate of `node`.
pub(super) fn name(node: usize) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(node_name(node)).map_err(|error| Error::General(error.to_string()))
}

/// Why a certificate is refused.
pub(super) fn certificate_reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => reason::certificate(error),
        error => error.to_string(),
    }
}

/// Reads at least one certificate.
fn certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(unreadable(path, what, pem::Error::NoItemsFound)),
        found => found.map_err(|error| unreadable(path, what, error)),
    }
}

/// Describes an error of a PEM file without quoting the file.
fn unreadable(path: &Path, what: &'static str, error: pem::Error) -> IdentityError {
    let reason = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "the file contains none".to_owned(),
        _ => "the file is not PEM or is truncated".to_owned(),
    };
    IdentityError::Unreadable { path: path.to_owned(), what, reason }
}
