//! Signed tokens: their claims, and the keys that sign and verify them.
//!
//! A token is a JWT, signed with Ed25519 by one of the keys of a service. The service stores no tokens.
//! This module does not depend on HTTP: `serve::auth` verifies the tokens of requests, and the commands
//! `key` and `token` create keys and tokens.

mod claims;
mod ed25519;
mod error;
mod key;
mod keyring;
mod raw_claims;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

pub use claims::{Claims, Scope, Scopes};
pub use error::{KeyError, TokenError};
pub use key::create_key;
pub use keyring::Keyring;

/// The system time in s since the epoch, the unit of the claims; 0 before the epoch.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
