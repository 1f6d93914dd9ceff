//! Keys in all formats, and tokens that are valid or not.

mod keys;
mod tokens;

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::keyring::signing_key;
use super::*;

/// Written by `openssl genpkey -algorithm ed25519`, and by `openssl pkey -pubout`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGIP9+Lh4YHbddkBheB+Jj1eQWCB4UpAB4hXWRYAoRR8\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAk2mKqWUbKZcSY5s0jy3rQg3AxXnLvoBCwpiE8kzvrIM=\n-----END PUBLIC KEY-----\n";
const NOW: u64 = 1_800_000_000;

fn keyring(pem: &str) -> Keyring {
    Keyring::from_pem(pem.as_bytes(), "the text").unwrap()
}

/// The PEM of a new key.
fn new_pem() -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    create_key(&path).unwrap();
    fs::read_to_string(path).unwrap()
}

fn claims() -> Claims {
    Claims::new([Scope::Read].into_iter().collect(), NOW, NOW + 60)
}

/// A token with any header and claims, signed with [`PRIVATE`].
fn signed(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let ring = keyring(PRIVATE);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key_of(&ring), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn key_of(ring: &Keyring) -> EncodingKey {
    signing_key(&ring.keys()).unwrap().1.clone()
}

fn id_of(ring: &Keyring) -> String {
    signing_key(&ring.keys()).unwrap().0.to_owned()
}
