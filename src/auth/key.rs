//! One key: read from its encoding, or made new.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use tokio_rustls::rustls::pki_types::pem::SectionKind;

use super::error::KeyError;

/// What stands before the 32 bytes of a private key in PKCS#8 (RFC 8410, section 7). It is the form
/// that OpenSSL writes, and the only one that all versions of it read.
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// What stands before the 32 bytes of a public key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// Bytes of a key, private or public (RFC 8032, section 5.1.5).
const KEY_BYTES: usize = 32;
/// Bytes of a public key's SHA-256 in its id: 72 bits tell any keys apart, in 12 characters.
const ID_BYTES: usize = 9;

/// A key that verifies tokens, and signs them where it is private.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The key's id, in the header of each token that it signs: what follows from the key itself needs
    /// nobody to name it.
    pub(super) id: String,
    pub(super) verifies: DecodingKey,
    pub(super) signs: Option<EncodingKey>,
}

impl Key {
    /// The key in a block of PEM, if it is an Ed25519 key.
    pub(super) fn read(kind: SectionKind, der: &[u8]) -> Option<Self> {
        match kind {
            SectionKind::PrivateKey => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
                Some(Self::new(pair.public_key().as_ref(), Some(EncodingKey::from_ed_der(der))))
            }
            SectionKind::PublicKey => {
                let public = der.strip_prefix(&SPKI)?;
                (public.len() == KEY_BYTES).then(|| Self::new(public, None))
            }
            _ => None,
        }
    }

    fn new(public: &[u8], signs: Option<EncodingKey>) -> Self {
        let hash = digest(&SHA256, public);
        let id = hash.as_ref().get(..ID_BYTES).unwrap_or_default();
        Self { id: URL_SAFE_NO_PAD.encode(id), verifies: DecodingKey::from_ed_der(public), signs }
    }
}

/// Makes a private key in a file of PEM that is its owner's alone, and gives the key's id.
///
/// # Errors
/// A file that is there already or cannot be written; no random bytes.
pub fn new_key(path: &Path) -> Result<String, KeyError> {
    let failed = |reason| KeyError::Write { path: path.to_owned(), reason };
    let mut seed = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
    let der = [&PKCS8[..], &seed].concat();
    let key = Key::read(SectionKind::PrivateKey, &der).ok_or(KeyError::Random)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| {
        file.write_all(pem(&der).as_bytes())?;
        file.sync_all()
    })
    .map_err(failed)?;
    Ok(key.id)
}

/// A private key as PKCS#8 in a block of PEM.
fn pem(der: &[u8]) -> String {
    // 48 bytes are one line of 64 characters, the most that there may be (RFC 7468, section 2).
    let line = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n")
}
