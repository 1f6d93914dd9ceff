//! Tokens for services that require them.

use super::*;
use crate::auth::{Claims, Keyring, Scope, create_key, now};

/// A keyring with a new key.
pub(super) fn new_keyring() -> Keyring {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    create_key(&path).unwrap();
    Keyring::from_file(&path).unwrap()
}

/// The keys of all services that require tokens.
fn keyring() -> &'static Keyring {
    static KEYS: std::sync::LazyLock<Keyring> = std::sync::LazyLock::new(new_keyring);
    &KEYS
}

/// The configuration of a service that requires tokens.
pub(super) fn with_tokens() -> Config {
    Config { auth: Auth::On(keyring().clone()), ..without_tokens() }
}

/// Claims for all classes and projects, valid for ten minutes.
pub(super) fn claims(scope: Scope) -> Claims {
    Claims::new([scope].into_iter().collect(), now(), now() + 600)
}

pub(super) fn issue(claims: &Claims) -> String {
    keyring().issue(claims).unwrap()
}

/// The header `Authorization` with a token of `claims`.
pub(super) fn bearer_of(claims: &Claims) -> String {
    format!("Bearer {}", issue(claims))
}

/// The header `Authorization` with a token with `scope`.
pub(super) fn bearer(scope: Scope) -> String {
    bearer_of(&claims(scope))
}

/// A token with `scope`, for one class only if `class` is given.
pub(super) fn access_key(scope: Scope, class: Option<u16>) -> String {
    issue(&Claims { classes: class.map(|class| [class].into()), ..claims(scope) })
}

/// Invalid tokens, with what is wrong with them.
pub(super) fn invalid_tokens() -> Vec<(&'static str, String)> {
    let admin = claims(Scope::Admin);
    let valid = issue(&admin);
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    vec![
        ("garbage", "sesame".to_owned()),
        ("expired", issue(&Claims { exp: now() - 1, ..admin.clone() })),
        ("not valid yet", issue(&Claims { nbf: Some(now() + 600), ..admin.clone() })),
        ("of another key", new_keyring().issue(&admin).unwrap()),
        ("unsigned", format!("{message}.")),
        ("forged", format!("{message}.{flipped}{}", &signature[1..])),
    ]
}
