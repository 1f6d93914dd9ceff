//! Checks the token of each request before its handler runs.

mod bind;
mod credentials;
mod guard;
#[cfg(test)]
mod tests;

pub use self::bind::{Auth, BindError, check_bind};
pub(super) use self::credentials::{ACCESS_KEY, QUERY_TOKENS, TokenSource};
#[cfg(any(test, fuzzing))]
pub(super) use self::credentials::{bearer, split_tokens};
pub(super) use self::guard::guard;
