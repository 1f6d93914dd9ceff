//! A single key: parsed, or created.

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

/// The bytes before the 32 bytes of a private key in PKCS#8 (RFC 8410, section 7). OpenSSL writes this
/// form, and it is the only one that all versions of OpenSSL read.
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// The bytes before the 32 bytes of a public key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// The length of a private or public key (RFC 8032, section 5.1.5).
const KEY_BYTES: usize = 32;
/// The number of bytes of the SHA-256 of a public key that are its id. 72 bits do not collide in
/// practice, and are 12 characters of base64.
const ID_BYTES: usize = 9;

/// A key that verifies tokens, and signs them if it is private.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The id in the header of each token that the key signs, derived from the public key.
    pub(super) id: String,
    pub(super) decoding: DecodingKey,
    pub(super) encoding: Option<EncodingKey>,
}

impl Key {
    /// Parses a block of PEM; `None` if it is not an Ed25519 key.
    pub(super) fn parse(kind: SectionKind, der: &[u8]) -> Option<Self> {
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

    fn new(public: &[u8], encoding: Option<EncodingKey>) -> Self {
        let hash = digest(&SHA256, public);
        let id = hash.as_ref().get(..ID_BYTES).unwrap_or_default();
        Self {
            id: URL_SAFE_NO_PAD.encode(id),
            decoding: DecodingKey::from_ed_der(public),
            encoding,
        }
    }
}

/// Creates a private key in a new PEM file that only its owner can access. Returns the id of the key.
///
/// # Errors
/// The file exists or cannot be written; the system has no random bytes.
pub fn create_key(path: &Path) -> Result<String, KeyError> {
    let failed = |reason| KeyError::Write { path: path.to_owned(), reason };
    let mut seed = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
    let der = [&PKCS8[..], &seed].concat();
    let key = Key::parse(SectionKind::PrivateKey, &der).ok_or(KeyError::Random)?;
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
    // 48 bytes fit into one line of 64 characters, the maximum (RFC 7468, section 2).
    let line = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n")
}
