//! Whether requests need a token, and which addresses may be served without.

use std::net::SocketAddr;

use thiserror::Error;

use crate::auth::Keyring;

/// Whether requests need a token.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Every user of this machine may call all routes.
    Off,
    /// A request needs a token that one of these keys signed.
    On(Keyring),
}

/// An address that the service refuses to listen on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Other machines can reach the address, and tokens are off.
    #[error(
        "with --auth off, everyone who can reach '{0}' could send events and read data; listen on a \
         loopback address, or serve with tokens"
    )]
    Open(SocketAddr),
}

/// Checks that the service may listen on `address`: without tokens it must be a loopback address.
///
/// # Errors
/// [`BindError::Open`] if it is not.
pub fn check_bind(address: SocketAddr, auth: &Auth) -> Result<(), BindError> {
    match auth {
        Auth::Off if !address.ip().to_canonical().is_loopback() => Err(BindError::Open(address)),
        _ => Ok(()),
    }
}
