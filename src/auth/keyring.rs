//! The keys of a service. All verify tokens; the last private key signs them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, decode, decode_header, encode};
use tokio_rustls::rustls::pki_types::pem::{PemObject, SectionKind};

use super::claims::Claims;
use super::ed25519;
use super::error::{KeyError, TokenError};
use super::key::Key;
use super::raw_claims::RawClaims;

/// How many seconds the clock of an issuer may be ahead.
const CLOCK_SKEW_SECONDS: u64 = 5;
/// The mode bits of group and others.
const OTHERS: u32 = 0o077;

/// Keys that issue and verify tokens. To replace a key, append a new one, which signs from then on.
/// Delete the old one when its tokens should become invalid. Clones share the keys.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// At least one, in the order of the file.
    keys: Arc<RwLock<Arc<[Key]>>>,
    /// The file that they are from, if they are from one.
    file: Option<Arc<Path>>,
    validation: Arc<Validation>,
}

impl Keyring {
    /// Reads the keys in a PEM file.
    ///
    /// # Errors
    /// The errors of [`Keyring::from_pem`]; the file cannot be read, or other users can access its
    /// private key.
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
        match mode & OTHERS != 0 && signing_key(&keyring.keys()).is_some() {
            true => Err(KeyError::Exposed(path.to_owned())),
            false => Ok(Self { file: Some(path.into()), ..keyring }),
        }
    }

    /// The file that the keys are from, if they are from one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads the file of the keys again. All clones have the new keys.
    ///
    /// # Errors
    /// The errors of [`Keyring::from_file`]. The keys stay the same then.
    pub fn reload(&self) -> Result<(), KeyError> {
        let Some(file) = &self.file else { return Ok(()) };
        let keys = Self::from_file(file)?.keys();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    pub(super) fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Parses one or more blocks of PEM: private keys as PKCS#8, public keys as SubjectPublicKeyInfo.
    /// Error messages refer to the text as `place`.
    ///
    /// # Errors
    /// The text is not PEM, contains no key, or contains something other than Ed25519 keys.
    pub fn from_pem(text: &[u8], place: &str) -> Result<Self, KeyError> {
        ed25519::install();
        let mut keys = Vec::new();
        for (number, block) in (1..).zip(<(SectionKind, Vec<u8>)>::pem_slice_iter(text)) {
            // The error may quote the key.
            let (kind, der) = block.map_err(|_| KeyError::Pem(place.to_owned()))?;
            let foreign = || KeyError::Foreign { place: place.to_owned(), number };
            keys.push(Key::parse(kind, &der).ok_or_else(foreign)?);
        }
        if keys.is_empty() {
            return Err(KeyError::None(place.to_owned()));
        }
        let mut validation = Validation::new(Algorithm::EdDSA);
        // `verify` checks the claims, with the clock of the caller.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let keys = Arc::new(RwLock::new(keys.into()));
        Ok(Self { keys, file: None, validation: Arc::new(validation) })
    }

    /// Signs a token with `claims`.
    ///
    /// # Errors
    /// [`KeyError::Private`] if all keys are public.
    pub fn issue(&self, claims: &Claims) -> Result<String, KeyError> {
        let keys = self.keys();
        let (id, key) = signing_key(&keys).ok_or(KeyError::Private)?;
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, key).map_err(KeyError::Sign)
    }

    /// The claims of a token, if one of the keys signed it and it is valid at `now`, in s since the
    /// epoch.
    ///
    /// # Errors
    /// The token is invalid, for the returned reason.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        let keys = self.keys();
        let key = keys.iter().find(|key| header.kid.as_ref() == Some(&key.id));
        let key = key.ok_or(TokenError::UnknownKey)?;
        let decoded = decode::<RawClaims>(token, &key.decoding, &self.validation);
        let decoded = decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Forged,
            _ => TokenError::Malformed,
        })?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let claims = decoded.claims.check()?;
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        match claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(CLOCK_SKEW_SECONDS)) {
            true => Err(TokenError::Early),
            false => Ok(claims),
        }
    }
}

/// The id and the private key that sign tokens.
pub(super) fn signing_key(keys: &[Key]) -> Option<(&str, &EncodingKey)> {
    keys.iter().rev().find_map(|key| Some((&*key.id, key.encoding.as_ref()?)))
}
