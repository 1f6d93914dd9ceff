//! Keys and tokens that are of no use. No message shows what a key is made of.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Keys that cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A file that cannot be read.
    #[error("cannot read the keys in '{path}': {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: io::Error,
    },
    /// A private key that is none of its owner's alone.
    #[error("others than the owner can open the private key in '{0}'; run 'chmod 600 {0}'")]
    Exposed(PathBuf),
    /// No text with keys.
    #[error("{0} is no PEM, or cut off; keep its lines as they were written")]
    Pem(String),
    /// No key at all.
    #[error("{0} has no key; make one with 'velodrome key FILE'")]
    None(String),
    /// Something else than a key of this kind.
    #[error(
        "block {number} of {place} is no Ed25519 key, PRIVATE KEY or PUBLIC KEY; make one with \
         'velodrome key FILE'"
    )]
    Foreign {
        /// Where it stands.
        place: String,
        /// Which of the blocks it is, from 1.
        number: usize,
    },
    /// Only public keys, which verify.
    #[error(
        "there is no private key to sign with; give one, or make one with 'velodrome key FILE'"
    )]
    Private,
    /// Claims that cannot be written.
    #[error("cannot sign a token: {0}")]
    Sign(jsonwebtoken::errors::Error),
    /// A file for a new key that cannot be written.
    #[error("cannot write a key to '{path}': {reason}; give a new file in a directory of yours")]
    Write {
        /// The file.
        path: PathBuf,
        /// What failed.
        reason: io::Error,
    },
    /// No randomness.
    #[error("the system gives no random bytes for a key")]
    Random,
}

/// A token that opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It has no form, algorithm or claims of ours.
    #[error("the token is none that 'velodrome token' gives")]
    Malformed,
    /// None of the keys signed it, by the id of the key.
    #[error("the token was signed with a key that is not known here")]
    UnknownKey,
    /// Its key did not sign this.
    #[error("the token's signature is wrong")]
    Forged,
    /// Its time is over.
    #[error("the token has expired; ask for a new one")]
    Expired,
    /// Its time has yet to come.
    #[error("the token is not valid yet")]
    Early,
}
