//! TLS: the certificate and key that the service shows, and the versions that it speaks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The one protocol that is served inside (RFC 7301, section 6).
const HTTP: &[u8] = b"http/1.1";

/// A certificate or key that cannot be used. Nothing of the key is shown.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file without what is looked for.
    #[error("'{path}' has no {what} in PEM that can be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is looked for.
        what: &'static str,
        /// Why it is not found.
        reason: String,
    },
    /// A certificate and a key that do not go together, or that are of an unknown kind.
    #[error("cannot use the certificate '{cert}' with the key '{key}': {reason}")]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
}

/// How to speak TLS 1.2 and 1.3 with the chain of certificates in the file `cert`, the service's own
/// first, and its private key in the file `key`.
///
/// # Errors
/// Files that cannot be read, a key that is not the certificate's.
pub fn load(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |path: &Path, what| {
        let path = path.to_owned();
        move |error| TlsError::Unreadable { path, what, reason: reason(error) }
    };
    let chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unreadable(cert, "certificate"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key, "private key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private));
    let (cert, key) = (cert.to_owned(), key.to_owned());
    let mut config = config.map_err(|reason| TlsError::Unusable { cert, key, reason })?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(Arc::new(config))
}

/// What is wrong with a file of PEM, without what is in it.
fn reason(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none".to_owned(),
        _ => "it is no PEM, or cut off".to_owned(),
    }
}
