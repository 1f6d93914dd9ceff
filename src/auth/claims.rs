//! The claims of a token: scopes, classes, projects and times.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use velodrome_dataflows::ClassId;

/// The issuer of all tokens, in the claim `iss`.
pub(super) const ISSUER: &str = "velodrome";

/// What a token permits. `admin` permits everything; no other scope includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scope {
    /// Send events
    Ingest,
    /// Read data and follow streams
    Read,
    /// Everything, including bans and rules
    Admin,
}

/// The scopes of a token, separated by spaces in the claim `scope` (RFC 8693, section 4.2). Unknown
/// scopes are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// The issuer: always `velodrome`.
    pub iss: String,
    /// The name of the holder, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// What the token permits.
    pub scope: Scopes,
    /// The permitted classes. A token with `classes` or `projects` permits no other classes and
    /// projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<BTreeSet<ClassId>>,
    /// The permitted projects. A token with `classes` or `projects` permits no other classes and
    /// projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<BTreeSet<String>>,
    /// When it was issued, in s since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The time in s since the epoch from which the token is valid. This crate never issues it, but
    /// other libraries that sign with the same key may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When the token expires, in s since the epoch.
    pub exp: u64,
}

impl Claims {
    /// Claims for all classes and projects, issued at `iat` and valid until `exp`, in s since the epoch.
    pub fn new(scope: Scopes, iat: u64, exp: u64) -> Self {
        let (iss, iat) = (ISSUER.to_owned(), Some(iat));
        Self { iss, sub: None, scope, classes: None, projects: None, iat, nbf: None, exp }
    }
}

impl Scope {
    /// The name of the scope in the claim.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Scopes {
    /// Whether these scopes permit what `scope` permits.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope) || self.0.contains(&Scope::Admin)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl From<String> for Scopes {
    fn from(names: String) -> Self {
        let known = |name| Scope::value_variants().iter().find(|scope| scope.name() == name);
        names.split(' ').filter_map(known).copied().collect()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.0.into_iter().map(Scope::name).collect::<Vec<_>>().join(" ")
    }
}
