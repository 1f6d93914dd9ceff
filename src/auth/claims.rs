//! What a token says: who may do what, with which objects, until when.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use velodrome_dataflows::ClassId;

/// Who issues tokens, in the claim `iss`.
pub(super) const ISSUER: &str = "velodrome";

/// What a token lets do; no scope includes another, but `admin` opens everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scope {
    /// Send events
    Ingest,
    /// Read, and follow live
    Read,
    /// All there is, bans too
    Admin,
}

/// The scopes of a token, separated by spaces in the claim `scope` (RFC 8693, section 4.2). Those that
/// have no meaning here do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: always `velodrome`.
    pub iss: String,
    /// Whom it is for: a name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// What it lets do.
    pub scope: Scopes,
    /// The classes that it is for. With these or `projects` it is for no other objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<BTreeSet<ClassId>>,
    /// The projects that it is for. With these or `classes` it is for no other objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<BTreeSet<String>>,
    /// When it was issued, in s since the epoch.
    pub iat: u64,
    /// From when on it is valid, where that is not from the start. It is never issued here, but known to
    /// many libraries that can sign tokens with the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it ends, in s since the epoch.
    pub exp: u64,
}

impl Claims {
    /// Claims for all objects, issued at `iat` and valid until `exp`, in s since the epoch.
    pub fn new(scope: Scopes, iat: u64, exp: u64) -> Self {
        let iss = ISSUER.to_owned();
        Self { iss, sub: None, scope, classes: None, projects: None, iat, nbf: None, exp }
    }
}

impl Scope {
    /// Its name, as the claim has it.
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
    /// Whether they open what `scope` is for.
    pub fn open(&self, scope: Scope) -> bool {
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
