//! A cryptography backend for jsonwebtoken: Ed25519 from ring, which TLS uses too. The backends of
//! jsonwebtoken would add a second cryptography library. One of them contains RSA with a known weakness
//! (RUSTSEC-2023-0071).

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

/// The key utilities are only for keys in the JWK format, which this crate does not use.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

struct Private(Ed25519KeyPair);

struct Public(UnparsedPublicKey<Vec<u8>>);

/// Installs the backend for this process. Further calls have no effect.
pub(super) fn install() {
    _ = PROVIDER.install_default();
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes());
    match (algorithm, pair) {
        (Algorithm::EdDSA, Ok(pair)) => Ok(Box::new(Private(pair))),
        _ => Err(ErrorKind::InvalidEddsaKey.into()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let key = key.try_get_as_bytes()?.to_vec();
    match algorithm {
        Algorithm::EdDSA => Ok(Box::new(Public(UnparsedPublicKey::new(&ED25519, key)))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

impl Signer<Vec<u8>> for Private {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Private {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl Verifier<Vec<u8>> for Public {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0.verify(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Public {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
