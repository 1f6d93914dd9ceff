//! Errors of keys and tokens. Messages never contain parts of a key.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why keys cannot be used or created.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the keys in '{path}': {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: io::Error,
    },
    /// Other users can read or write the private key.
    #[error("other users can access the private key in '{0}'; run 'chmod 600 {0}'")]
    Exposed(PathBuf),
    /// The text is not PEM.
    #[error("{0} is not PEM or is truncated; its line breaks must be preserved")]
    Pem(String),
    /// The text contains no key.
    #[error("{0} contains no key; create one with 'velodrome key FILE'")]
    None(String),
    /// A block of the text is not an Ed25519 key.
    #[error(
        "block {number} of {place} is not an Ed25519 key (PRIVATE KEY or PUBLIC KEY); create one with \
         'velodrome key FILE'"
    )]
    Foreign {
        /// Where the text comes from.
        place: String,
        /// The number of the block, from 1.
        number: usize,
    },
    /// All keys are public, so none can sign.
    #[error(
        "all keys are public, so none can sign; create a private one with 'velodrome key FILE'"
    )]
    Private,
    /// The claims cannot be signed.
    #[error("cannot sign a token: {0}")]
    Sign(jsonwebtoken::errors::Error),
    /// The file for a new key cannot be created.
    #[error("cannot write a key to '{path}': {reason}; choose a new file in a writable directory")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: io::Error,
    },
    /// The system has no random bytes.
    #[error("cannot get random bytes for a key from the system")]
    Random,
}

/// Why a token is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Its format or algorithm is not that of a token of this service.
    #[error("the token is malformed; create one with 'velodrome token'")]
    Malformed,
    /// The service does not have the key that its header names.
    #[error("the token was signed with a key that this service does not have")]
    UnknownKey,
    /// The signature does not match.
    #[error("the token's signature is wrong")]
    Forged,
    /// Its header requires an extension (RFC 7515, section 4.1.11). This service has none.
    #[error("the token's header 'crit' requires an extension that this service does not have")]
    Critical,
    /// A claim is missing.
    #[error("the token lacks the claim '{0}'")]
    Missing(&'static str),
    /// A claim has another value than this.
    #[error("the token's claim '{0}' is wrong; it must be {1}")]
    Wrong(&'static str, &'static str),
    /// It has expired.
    #[error("the token has expired by its claim 'exp'; get a new one")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet by its claim 'nbf'")]
    Early,
}
