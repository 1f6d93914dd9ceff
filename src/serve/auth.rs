//! Who may send events, and who may read: static bearer tokens.

use std::fmt;
use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use constant_time_eq::constant_time_eq;
use thiserror::Error;

use super::App;
use super::error::ApiError;
use super::grant::Grant;

/// The tokens that open the doors. Without any, both are open; with one alone, the other door is
/// shut for want of a token, but for reads, which either token opens.
#[derive(Clone, Default)]
pub struct Tokens {
    /// Opens ingest and reads.
    pub ingest: Option<String>,
    /// Opens reads.
    pub read: Option<String>,
}

/// An address that must not be served as it is.
#[derive(Debug, Error)]
pub enum BindError {
    /// Others can reach it, and may do as they like.
    #[error(
        "without an ingest token and a read token everybody who reaches '{0}' could send events and \
         read; set both tokens, or listen on a loopback address"
    )]
    Open(SocketAddr),
}

/// Whether `address` may be served under `tokens`: one that is not loopback needs both.
///
/// # Errors
/// [`BindError::Open`] where it may not.
pub fn check_bind(address: SocketAddr, tokens: &Tokens) -> Result<(), BindError> {
    let is_closed = tokens.ingest.is_some() && tokens.read.is_some();
    match is_closed || address.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(BindError::Open(address)),
    }
}

/// Lets through who may send events.
pub(super) async fn ingest(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.tokens().check_ingest(request.headers())?;
    request.extensions_mut().insert(Grant::default());
    Ok(next.run(request).await)
}

/// Lets through who may read.
pub(super) async fn read(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    app.tokens().check_read(request.headers())?;
    request.extensions_mut().insert(Grant::default());
    Ok(next.run(request).await)
}

impl Tokens {
    fn check_ingest(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.is_open() || is(&self.ingest, bearer(headers)) {
            Ok(())
        } else if is(&self.read, bearer(headers)) {
            let message = "the read token does not let send events; use the ingest token";
            Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message))
        } else {
            Err(unauthorized())
        }
    }

    fn check_read(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let given = bearer(headers);
        match self.is_open() || is(&self.read, given) || is(&self.ingest, given) {
            true => Ok(()),
            false => Err(unauthorized()),
        }
    }

    fn is_open(&self) -> bool {
        self.ingest.is_none() && self.read.is_none()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ingest, read) = (self.ingest.is_some(), self.read.is_some());
        f.debug_struct("Tokens").field("ingest", &ingest).field("read", &read).finish()
    }
}

/// The token of `Authorization: Bearer <token>`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// Compares in a time that tells nothing of the token but its length.
fn is(token: &Option<String>, given: Option<&str>) -> bool {
    match (token, given) {
        (Some(token), Some(given)) => constant_time_eq(token.as_bytes(), given.as_bytes()),
        _ => false,
    }
}

fn unauthorized() -> ApiError {
    let message =
        "a token is needed that is known here; send it as 'Authorization: Bearer <token>'";
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn tokens(ingest: Option<&str>, read: Option<&str>) -> Tokens {
        Tokens { ingest: ingest.map(Into::into), read: read.map(Into::into) }
    }

    /// Status of an ingest and of a read, 200 where they are let through.
    fn statuses(tokens: &Tokens, authorization: Option<&str>) -> (u16, u16) {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let status = |checked: Result<(), ApiError>| match checked {
            Ok(()) => 200,
            Err(error) => error.into_response().status().as_u16(),
        };
        (status(tokens.check_ingest(&headers)), status(tokens.check_read(&headers)))
    }

    #[test]
    fn each_door_opens_to_its_tokens_alone() {
        let both = tokens(Some("in"), Some("out"));
        for (authorization, expected) in [
            (None, (401, 401)),
            (Some("Bearer in"), (200, 200)),
            (Some("bearer  in "), (200, 200)),
            (Some("Bearer out"), (403, 200)),
            (Some("Bearer i"), (401, 401)),
            (Some("Bearer "), (401, 401)),
            (Some("Bearer in\u{e9}"), (401, 401)),
            (Some("Basic in"), (401, 401)),
            (Some("in"), (401, 401)),
        ] {
            assert_eq!(statuses(&both, authorization), expected, "{authorization:?}");
        }
    }

    #[test]
    fn without_tokens_all_is_open_and_with_one_the_other_door_is_shut() {
        assert_eq!(statuses(&Tokens::default(), None), (200, 200));
        assert_eq!(statuses(&tokens(Some("in"), None), None), (401, 401));
        assert_eq!(statuses(&tokens(Some("in"), None), Some("Bearer in")), (200, 200));
        assert_eq!(statuses(&tokens(None, Some("out")), None), (401, 401));
        assert_eq!(statuses(&tokens(None, Some("out")), Some("Bearer out")), (403, 200));
    }

    #[test]
    fn only_loopback_is_served_without_both_tokens() {
        let both = tokens(Some("in"), Some("out"));
        for address in ["127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check_bind(address.parse().unwrap(), &Tokens::default()).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.168.1.7:1", "[fe80::1]:1"] {
            let address = address.parse().unwrap();
            assert!(check_bind(address, &both).is_ok(), "{address}");
            for some in [Tokens::default(), tokens(Some("in"), None), tokens(None, Some("out"))] {
                let refused = check_bind(address, &some).unwrap_err().to_string();
                assert!(refused.contains(&address.to_string()), "{refused}");
            }
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        let shown = format!("{:?}", tokens(Some("sesame"), Some("sesame")));
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
