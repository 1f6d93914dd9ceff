//! The keys of a service: all verify, the last private one signs.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, decode, decode_header, encode};
use tokio_rustls::rustls::pki_types::pem::{PemObject, SectionKind};

use super::claims::{Claims, ISSUER};
use super::ed25519;
use super::error::{KeyError, TokenError};
use super::key::Key;

/// How far the clock of who issued a token may be ahead, in s.
const LEEWAY: u64 = 5;
/// Permissions of group and others.
const OTHERS: u32 = 0o077;

/// Keys that issue and verify tokens. To change keys, append a new one, which signs from then on, and
/// delete the old one when the tokens that it signed are to end. Clones are handles of the same keys.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// In their order, at least one.
    keys: Arc<[Key]>,
    validation: Arc<Validation>,
}

impl Keyring {
    /// The keys in a file of PEM.
    ///
    /// # Errors
    /// As [`Keyring::from_pem`]; a file that cannot be read, or whose private key others can open.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let read = || {
            let mut file = File::open(path)?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok((file.metadata()?.permissions().mode(), text))
        };
        let (mode, text) =
            read().map_err(|reason| KeyError::Read { path: path.to_owned(), reason })?;
        let keyring = Self::from_pem(&text, &format!("'{}'", path.display()))?;
        match mode & OTHERS != 0 && keyring.signing().is_some() {
            true => Err(KeyError::Exposed(path.to_owned())),
            false => Ok(keyring),
        }
    }

    /// The keys in PEM, one block or several: private keys as PKCS#8, public ones as
    /// SubjectPublicKeyInfo. Errors call the text `place`.
    ///
    /// # Errors
    /// A text that is no PEM, without a key, or with something else than Ed25519 keys.
    pub fn from_pem(text: &[u8], place: &str) -> Result<Self, KeyError> {
        ed25519::install();
        let mut keys = Vec::new();
        for (number, block) in (1..).zip(<(SectionKind, Vec<u8>)>::pem_slice_iter(text)) {
            // What the error quotes may be the key.
            let (kind, der) = block.map_err(|_| KeyError::Pem(place.to_owned()))?;
            let foreign = || KeyError::Foreign { place: place.to_owned(), number };
            keys.push(Key::read(kind, &der).ok_or_else(foreign)?);
        }
        if keys.is_empty() {
            return Err(KeyError::None(place.to_owned()));
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        // Times are held against the caller's clock.
        validation.validate_exp = false;
        Ok(Self { keys: keys.into(), validation: Arc::new(validation) })
    }

    /// A token of `claims`.
    ///
    /// # Errors
    /// Where all keys are public.
    pub fn issue(&self, claims: &Claims) -> Result<String, KeyError> {
        let (id, key) = self.signing().ok_or(KeyError::Private)?;
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, key).map_err(KeyError::Sign)
    }

    /// The claims of a token that one of the keys signed and that is valid at `now`, in s since the
    /// epoch.
    ///
    /// # Errors
    /// Any other token.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        let key = self.keys.iter().find(|key| header.kid.as_ref() == Some(&key.id));
        let key = key.ok_or(TokenError::UnknownKey)?;
        let decoded = decode::<Claims>(token, &key.verifies, &self.validation);
        let claims = decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Forged,
            _ => TokenError::Malformed,
        })?;
        let claims = claims.claims;
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        match claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY)) {
            true => Err(TokenError::Early),
            false => Ok(claims),
        }
    }

    /// The key that signs, and its id.
    pub(super) fn signing(&self) -> Option<(&str, &EncodingKey)> {
        self.keys.iter().rev().find_map(|key| Some((&*key.id, key.signs.as_ref()?)))
    }
}
