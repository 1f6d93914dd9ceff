//! Which web pages may call the service from a browser.
//!
//! With tokens, pages of other origins can send requests, but they have no token and cannot read
//! responses (CORS). Without tokens, every client on this machine is served, and that includes a page
//! of any site that is open in a browser here. The service recognizes such a page by the `Origin` that
//! browsers send. If the name of its site was changed to resolve to this machine (DNS rebinding), the
//! `Host` reveals it.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use thiserror::Error;
use tower_http::cors::CorsLayer;

use super::error::ApiError;
use super::excerpt::excerpt;
use super::stale::STALE;

/// How long a browser may cache the permission to call: the list rarely changes.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// The origin of web pages in the form that browsers send, such as `https://app.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// Text that is not an origin in the form that browsers send.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not an origin; give scheme and host in lower case, and the port unless it is the \
     default, such as https://app.example.com"
)]
pub struct OriginError(String);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let invalid = || OriginError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let host = uri.host().ok_or_else(invalid)?;
        let default_port = match uri.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return Err(invalid()),
        };
        let port = uri.port_u16().filter(|port| *port != default_port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let sent = format!("{}://{host}{port}", uri.scheme_str().unwrap_or_default());
        match sent.to_ascii_lowercase() == text {
            true => HeaderValue::try_from(sent).map(Self).map_err(|_| invalid()),
            false => Err(invalid()),
        }
    }
}

/// Permits pages of these origins, and no others, to read responses.
pub(super) fn cors(origins: &[Origin]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(origins.iter().map(|origin| origin.0.clone()).collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("x-firebase-etag"),
        ])
        // Beacons always ask for it. There are no cookies that it could send.
        .allow_credentials(true)
        .expose_headers([header::ETAG, header::RETRY_AFTER, STALE])
        .max_age(MAX_AGE)
}

/// Checks that a request without a token does not come from a page of another site. Pages of the service
/// itself and of `origins` are permitted.
///
/// # Errors
/// 403 `forbidden` if it may come from another page.
pub(super) fn check(headers: &HeaderMap, origins: &[Origin]) -> Result<(), ApiError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_loopback(host) {
        let host = excerpt(host);
        return Err(forbidden(format!(
            "without tokens, only requests to this machine are served, and '{host}' is not its name; \
             use localhost, or serve with tokens"
        )));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let is_own = || {
        let origin = origin.to_str().unwrap_or_default();
        origin.split_once("://").is_some_and(|(_, named)| named == host)
    };
    match origins.iter().any(|allowed| allowed.0 == origin) || is_own() {
        true => Ok(()),
        false => {
            let origin = excerpt(&String::from_utf8_lossy(origin.as_bytes()));
            Err(forbidden(format!(
                "pages of '{origin}' may not call this service; permit them with --cors-origin"
            )))
        }
    }
}

/// Whether a `Host`, with any port, is a loopback name or address.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_permitted(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(&headers, &["https://app.example.com".parse().unwrap()]).is_ok()
    }

    #[test]
    fn without_tokens_only_loopback_hosts_are_served() {
        for host in
            ["localhost", "LocalHost:7070", "127.0.0.1:1", "127.8.9.1", "[::1]:7070", "[::1]"]
        {
            assert!(is_permitted(host, None), "{host}");
        }
        for host in [
            "",
            "x",
            "evil.com",
            "localhost.evil.com",
            "127.0.0.1.evil.com:80",
            "192.168.1.7:7070",
            "[fe80::1]:1",
            "[::1",
            "0.0.0.0:7070",
            "::1",
            "evil.com:127.0.0.1",
            "[evil.com]",
        ] {
            assert!(!is_permitted(host, None), "{host}");
        }
        assert!(check(&HeaderMap::new(), &[]).is_err());
    }

    #[test]
    fn without_tokens_only_own_pages_and_permitted_origins_are_served() {
        let host = "localhost:7070";
        for origin in ["http://localhost:7070", "https://localhost:7070", "https://app.example.com"]
        {
            assert!(is_permitted(host, Some(origin)), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://localhost",
            "http://localhost:3000",
            "http://127.0.0.1:7070",
            "https://evil.com",
            "http://app.example.com",
            "https://app.example.com.evil.com",
            "https://app.example.com:444",
            "localhost:7070",
            "http://evil.com://localhost:7070",
        ] {
            assert!(!is_permitted(host, Some(origin)), "{origin}");
        }
    }

    #[test]
    fn parses_only_the_form_that_browsers_send() {
        for text in ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert_eq!(text.parse(), Ok(Origin(HeaderValue::from_str(text).unwrap())));
        }
        for text in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "ftp://host",
            "https://host/",
            "https://host/path",
            "https://Host",
            "HTTPS://host",
            "https://host:443",
            "http://host:80",
            "https://user@host",
            "https://host?x",
            "https://a https://b",
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert_eq!(error, OriginError(text.to_owned()));
        }
    }
}
