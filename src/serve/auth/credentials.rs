//! Where a request may carry its token.

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header};

/// The query parameters that may contain a token. `EventSource` and `sendBeacon` cannot set headers, and
/// clients of Firebase use these parameters.
pub(in crate::serve) const QUERY_TOKENS: [&str; 2] = ["auth", "access_token"];

/// The header in which Firehose sends the access key of an HTTP endpoint. The access key is a token
/// here.
pub(in crate::serve) const ACCESS_KEY: &str = "x-amz-firehose-access-key";

/// Where requests to a group of routes may carry a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum TokenSource {
    /// Only in `Authorization: Bearer TOKEN`.
    Bearer,
    /// Also in the header of Firehose's access key.
    AccessKey,
    /// Also in the query. URLs end up in logs and browser histories, so this is only for routes whose
    /// clients cannot set headers: streams, beacons, and the front ends of Alleycat and Firebase.
    Query,
}

impl TokenSource {
    /// The names of the header or the parameters, besides `Authorization`.
    pub(in crate::serve) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Bearer => &[],
            Self::AccessKey => &[ACCESS_KEY],
            Self::Query => &QUERY_TOKENS,
        }
    }

    /// The token of a request. `Authorization` takes precedence. Tokens in the query are removed, so
    /// that handlers do not see them.
    pub(super) fn take_token(self, request: &mut Request) -> Option<String> {
        let in_query = match self {
            Self::Query => {
                let (token, rest) = split_tokens(request.uri());
                *request.uri_mut() = rest;
                token
            }
            Self::Bearer | Self::AccessKey => None,
        };
        let headers = request.headers();
        let access_key = || match self {
            Self::AccessKey => headers.get(ACCESS_KEY)?.to_str().ok(),
            Self::Bearer | Self::Query => None,
        };
        bearer(headers).or_else(access_key).map(str::to_owned).or(in_query)
    }
}

/// The token of `Authorization: Bearer <token>`. The scheme is case-insensitive (RFC 9110, 11.1).
pub(in crate::serve) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// The first token in the query of a URI, and the URI without any tokens.
pub(in crate::serve) fn split_tokens(uri: &Uri) -> (Option<String>, Uri) {
    let mut token = None;
    let mut rest = Vec::new();
    for parameter in uri.query().unwrap_or_default().split('&') {
        match form_urlencoded::parse(parameter.as_bytes()).next() {
            Some((name, value)) if QUERY_TOKENS.contains(&&*name) => {
                token.get_or_insert_with(|| value.into_owned());
            }
            _ => rest.push(parameter),
        }
    }
    if token.is_none() {
        return (None, uri.clone());
    }
    let path = match rest.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), rest.join("&")),
    };
    // A URI stays valid when parameters are removed.
    (token, Uri::try_from(path).unwrap_or_default())
}
