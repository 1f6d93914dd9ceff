//! Who may do what: signed tokens, the keys that sign them, and the scopes that they open.
//!
//! A token is a JWT, signed with Ed25519 by one of the service's keys; nothing is kept of it. It knows
//! no HTTP: `serve::auth` checks requests with it, the commands `key` and `token` make what it checks.

mod claims;
mod ed25519;
mod error;
mod key;
mod keyring;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

pub use claims::{Claims, Scope, Scopes};
pub use error::{KeyError, TokenError};
pub use key::new_key;
pub use keyring::Keyring;

/// The wall's time in s since the epoch, as tokens count it; 0 where it is before that.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
