//! The claims of a token as any issuer may write them (RFC 7519). What is wrong is named.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::claims::{Claims, ISSUER};
use super::error::TokenError;

/// The greatest time whose seconds are exact in a number of JSON.
const SECONDS_MAX: f64 = (1_u64 << 53) as f64;

/// The claims of a token whose signature is right.
#[derive(Deserialize)]
pub(super) struct RawClaims {
    iss: Option<Value>,
    aud: Option<Value>,
    sub: Option<Value>,
    scope: Option<Value>,
    classes: Option<Value>,
    projects: Option<Value>,
    iat: Option<Value>,
    nbf: Option<Value>,
    exp: Option<Value>,
}

impl RawClaims {
    /// The claims that they state.
    ///
    /// # Errors
    /// The first claim that is missing or wrong.
    pub(super) fn check(self) -> Result<Claims, TokenError> {
        let Self { iss, aud, sub, scope, classes, projects, iat, nbf, exp } = self;
        if iss.ok_or(TokenError::Missing("iss"))? != *ISSUER {
            return Err(TokenError::Wrong("iss", "'velodrome'"));
        }
        // A token for another service must not be accepted (RFC 7519, section 4.1.3), and this one has no name.
        if aud.is_some() {
            return Err(TokenError::Wrong("aud", "absent"));
        }
        let scope = read(scope, "scope", "a text of scopes, separated by spaces")?;
        Ok(Claims {
            iss: ISSUER.to_owned(),
            sub: read(sub, "sub", "a text")?,
            scope: scope.ok_or(TokenError::Missing("scope"))?,
            classes: read(classes, "classes", "a list of ids from 0 to 65535")?,
            projects: read(projects, "projects", "a list of texts")?,
            iat: seconds(iat, "iat")?,
            nbf: seconds(nbf, "nbf")?,
            exp: seconds(exp, "exp")?.ok_or(TokenError::Missing("exp"))?,
        })
    }
}

fn read<T: DeserializeOwned>(
    value: Option<Value>,
    claim: &'static str,
    expected: &'static str,
) -> Result<Option<T>, TokenError> {
    let value = value.map(serde_json::from_value).transpose();
    value.map_err(|_| TokenError::Wrong(claim, expected))
}

/// A time in s since the epoch, rounded up. It may have a fraction (RFC 7519, section 2).
fn seconds(value: Option<Value>, claim: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(value) = value else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    let seconds = seconds.ok_or(TokenError::Wrong(claim, "a number of seconds since 1970"))?;
    Ok(Some(seconds.ceil() as u64))
}
