//! Describes why TLS refuses a peer, in words that say what to do.

use std::io::{self, ErrorKind};

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Why TLS with a peer failed.
pub(super) fn tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => {
            format!("the peer's certificate is refused: {}", certificate(error))
        }
        Error::NoCertificatesPresented => {
            "the peer has no certificate; give each node its own".to_owned()
        }
        Error::InvalidMessage(_) => {
            "the peer does not speak TLS; give certificates to all nodes or to none".to_owned()
        }
        Error::PeerIncompatible(error) => format!("the peer does not support TLS 1.3: {error:?}"),
        Error::AlertReceived(alert) => format!("the peer refuses this node: {}", refusal(*alert)),
        error => error.to_string(),
    }
}

/// Why an I/O operation of a handshake failed.
pub(super) fn handshake(error: &io::Error) -> String {
    if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        return tls(error);
    }
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the peer closed the connection; check that it uses TLS".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Why a certificate is refused.
pub(super) fn certificate(error: &CertificateError) -> String {
    match error {
        // Another CA with the same name results in a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "it was not issued by the CA of this node; issue all certificates with one CA"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; issue a new one".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; check the clocks of the nodes".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = presented.join(", ").replace("DnsName(\"", "'").replace("\")", "'");
            let expected = expected.to_str();
            format!(
                "it is valid for {presented}, not for '{expected}'; use that node's certificate"
            )
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not valid for TLS servers and clients; allow both extended key usages".to_owned()
        }
        error => error.to_string(),
    }
}

/// Why a peer refuses the certificate of this node.
fn refusal(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "its CA did not issue the certificate of this node"
        }
        AlertDescription::CertificateExpired => "the certificate of this node has expired",
        AlertDescription::CertificateRequired => "this node has no certificate",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "the certificate of this node is not that of the node"
        }
        AlertDescription::ProtocolVersion => "it does not support TLS 1.3",
        alert => return format!("it sent the TLS alert {alert:?}"),
    };
    reason.to_owned()
}
