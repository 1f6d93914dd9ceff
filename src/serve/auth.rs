//! Who may call which routes: tokens are checked here, before any handler runs.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use thiserror::Error;
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::error::ApiError;
use super::grant::{Grant, Objects};
use super::{openapi, origin};
use crate::auth::{Claims, Keyring, Scope, TokenError, now};

/// The names of the parameters of a query that may hold a token: what `EventSource` needs, which sends
/// no headers, and what clients of Firebase send.
pub(super) const QUERY_TOKENS: [&str; 2] = ["auth", "access_token"];

/// The header that Firehose sends the access key of an HTTP endpoint in, which is a token here.
pub(super) const ACCESS_KEY: &str = "x-amz-firehose-access-key";

/// Whether tokens are asked for.
#[derive(Clone, Debug)]
pub enum Auth {
    /// All routes are open to this machine's user.
    Off,
    /// A request needs a token that one of these keys signed.
    On(Keyring),
}

/// An address that must not be served as it is.
#[derive(Debug, Error)]
pub enum BindError {
    /// Others can reach it, and may do as they like.
    #[error(
        "with --auth off everybody who reaches '{0}' could send events and read; listen on a loopback \
         address, or serve with tokens"
    )]
    Open(SocketAddr),
}

/// Checks that `address` may be served: without tokens only loopback may.
///
/// # Errors
/// [`BindError::Open`] where it may not.
pub fn check_bind(address: SocketAddr, auth: &Auth) -> Result<(), BindError> {
    match auth {
        Auth::Off if !address.ip().to_canonical().is_loopback() => Err(BindError::Open(address)),
        _ => Ok(()),
    }
}

/// Routes that take events.
pub(super) fn ingest(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let layer = from_fn_with_state((app.clone(), Scope::Ingest), by_header);
    openapi::guarded(routes, Scope::Ingest, &[]).layer(layer)
}

/// Routes that take events, and may have their token in the header that Firehose sends its access key in.
pub(super) fn ingest_by_key(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let layer = from_fn_with_state((app.clone(), Scope::Ingest), by_key);
    openapi::guarded(routes, Scope::Ingest, &[ACCESS_KEY]).layer(layer)
}

/// Routes that answer reads.
pub(super) fn read(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let layer = from_fn_with_state((app.clone(), Scope::Read), by_header);
    openapi::guarded(routes, Scope::Read, &[]).layer(layer)
}

/// Routes that answer reads, and may have their token in the query: URLs end up in logs and histories,
/// so these are only those that clients call which can send it in no other way.
pub(super) fn read_by_query(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let layer = from_fn_with_state((app.clone(), Scope::Read), by_query);
    openapi::guarded(routes, Scope::Read, &QUERY_TOKENS).layer(layer)
}

/// Routes that change what others see.
pub(super) fn admin(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let layer = from_fn_with_state((app.clone(), Scope::Admin), by_header);
    openapi::guarded(routes, Scope::Admin, &[]).layer(layer)
}

type Guard = (App, Scope);

async fn by_header(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let token = bearer(request.headers()).map(str::to_owned);
    admit(&guard, token.as_deref(), request, next).await
}

async fn by_key(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let key = || headers.get(ACCESS_KEY).and_then(|key| key.to_str().ok());
    let token = bearer(headers).or_else(key).map(str::to_owned);
    admit(&guard, token.as_deref(), request, next).await
}

/// The handler does not see the token.
async fn by_query(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let (in_query, rest) = without_tokens(request.uri());
    *request.uri_mut() = rest;
    let token = bearer(request.headers()).map(str::to_owned).or(in_query);
    admit(&guard, token.as_deref(), request, next).await
}

/// Runs the handler where the token opens it, with the grant that says which objects it is for.
async fn admit(
    (app, scope): &Guard,
    token: Option<&str>,
    mut request: Request,
    next: Next,
) -> Response {
    let granted = match app.auth() {
        Auth::Off => match origin::check(request.headers(), app.origins()) {
            Ok(()) => Ok(Grant::default()),
            Err(error) => Err(Refused { error, challenge: None }),
        },
        Auth::On(keyring) => grant(keyring, *scope, token, now()),
    };
    match granted {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

/// What `token` lets do at `now`, in s since the epoch.
fn grant(keyring: &Keyring, scope: Scope, token: Option<&str>, now: u64) -> Result<Grant, Refused> {
    let Some(token) = token else {
        let message = "a token is needed; send it as 'Authorization: Bearer TOKEN'";
        return Err(Refused::unauthorized(message.to_owned(), "Bearer"));
    };
    let invalid = |error: TokenError| {
        Refused::unauthorized(error.to_string(), "Bearer error=\"invalid_token\"")
    };
    let claims = keyring.verify(token, now).map_err(invalid)?;
    if !claims.scope.open(scope) {
        let message = format!("the token does not have the scope '{scope}'");
        let error = ApiError::new(StatusCode::FORBIDDEN, "forbidden", message);
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        return Err(Refused { error, challenge: Some(challenge) });
    }
    let Claims { classes, projects, exp, .. } = claims;
    let objects = (classes.is_some() || projects.is_some()).then(|| Objects {
        classes: classes.unwrap_or_default(),
        projects: projects.unwrap_or_default(),
    });
    let expires = Instant::now().checked_add(Duration::from_secs(exp.saturating_sub(now)));
    Ok(Grant::new(objects, expires))
}

/// A request that is not let in.
struct Refused {
    error: ApiError,
    /// What the client has to bring instead (RFC 6750, section 3).
    challenge: Option<String>,
}

impl Refused {
    fn unauthorized(message: String, challenge: &str) -> Self {
        let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        Self { error, challenge: Some(challenge.to_owned()) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        if let Some(Ok(challenge)) = self.challenge.map(HeaderValue::try_from) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// The first token in a URI's query, and the URI without any.
fn without_tokens(uri: &Uri) -> (Option<String>, Uri) {
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
    // A part of what was a URI is one.
    (token, Uri::try_from(path).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served_without_tokens() {
        for address in ["127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check_bind(address.parse().unwrap(), &Auth::Off).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.168.1.7:1", "[fe80::1]:1"] {
            let refused = check_bind(address.parse().unwrap(), &Auth::Off).unwrap_err().to_string();
            assert!(refused.contains(address), "{refused}");
        }
    }

    #[test]
    fn a_token_is_taken_out_of_the_query_and_all_else_stays_as_it_is() {
        for (uri, token, rest) in [
            ("/a", None, "/a"),
            ("/a?", None, "/a?"),
            ("/a?b=%20c&d", None, "/a?b=%20c&d"),
            ("/a?auth=t", Some("t"), "/a"),
            ("/a?x=1&access_token=t%2E&y=%C3%A9", Some("t."), "/a?x=1&y=%C3%A9"),
            ("/a?auth=1&access_token=2&auth=3", Some("1"), "/a"),
            ("/a?a%75th=t&author=x", Some("t"), "/a?author=x"),
            ("/a?auth", Some(""), "/a"),
        ] {
            let (found, left) = without_tokens(&uri.parse().unwrap());
            assert_eq!((found.as_deref(), &*left.to_string()), (token, rest), "{uri}");
        }
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for (authorization, token) in [
            ("Bearer in", Some("in")),
            ("bearer  in ", Some("in")),
            ("BEARER in", Some("in")),
            ("Basic in", None),
            ("in", None),
            ("Bearer", None),
            ("Bearer in\u{e9}", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
            assert_eq!(bearer(&headers), token, "{authorization:?}");
        }
    }
}
