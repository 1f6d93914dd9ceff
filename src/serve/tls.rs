//! TLS: reads the certificate and key, and selects the versions.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// HTTP/2 and HTTP/1.1, the protocols that are served over TLS (RFC 7301, section 6).
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// A certificate or key that cannot be used. Messages never contain parts of the key.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or does not contain the item.
    #[error("cannot read a {what} in PEM from '{path}': {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// The key does not belong to the certificate, or one of them is of an unsupported kind.
    #[error("cannot use the certificate '{cert}' with the key '{key}': {reason}")]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why they cannot be used.
        reason: String,
    },
}

/// A certificate and its key, which can be read again while connections use them. Clones share them.
#[derive(Clone, Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Certificate {
    /// Reads the file `cert`, which contains the chain of certificates, starting with that of the service, and the file
    /// `key`, which contains the private key.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not belong to the certificate.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(read(cert, key)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(cert, key, &error))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        let (cert, key, config) = (cert.to_owned(), key.to_owned(), Arc::new(config));
        Ok(Self { cert, key, current, config })
    }

    /// The files of the certificate and the key.
    pub fn files(&self) -> [&Path; 2] {
        [&self.cert, &self.key]
    }

    /// Reads the files again. New connections get the new certificate.
    ///
    /// # Errors
    /// The errors of [`Certificate::load`]. The certificate stays the same then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read(&self.cert, &self.key)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// The configuration for TLS 1.2 and 1.3, which has the newest certificate.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let unreadable = |path: &Path, what| {
        let path = path.to_owned();
        move |error| TlsError::Unreadable { path, what, reason: reason(error) }
    };
    let chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unreadable(cert, "certificate"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key, "private key"))?;
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
    certified.map(Arc::new).map_err(|error| unusable(cert, key, &error))
}

fn unusable(cert: &Path, key: &Path, error: &rustls::Error) -> TlsError {
    let reason = match error {
        rustls::Error::InconsistentKeys(_) => {
            "it was issued for another key; give the key that belongs to it".to_owned()
        }
        error => error.to_string(),
    };
    TlsError::Unusable { cert: cert.to_owned(), key: key.to_owned(), reason }
}

/// Describes an error of a PEM file without quoting the file.
fn reason(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "the file contains none".to_owned(),
        _ => "the file is not PEM or is truncated".to_owned(),
    }
}
