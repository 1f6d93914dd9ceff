//! A file of the page, and the responses with it.

use std::io::{self, Write};
use std::sync::OnceLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::xxh3_128;

use super::accept_encoding::accepts_gzip;
use crate::serve::etag;

/// The content security policy: the page loads and runs only its own files, and no site may frame it.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                              connect-src 'self'; img-src 'self'; base-uri 'none'; \
                              form-action 'none'; frame-ancestors 'none'; \
                              require-trusted-types-for 'script'";

/// A file of the page.
pub(super) struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    /// Built at the first request.
    encodings: OnceLock<Encodings>,
}

/// The file as it is sent, with and without compression.
struct Encodings {
    identity: Encoded,
    gzip: Option<Encoded>,
}

/// Bytes and their entity tag. Each encoding has its own tag (RFC 9110, 8.8.3.3).
struct Encoded {
    bytes: Bytes,
    etag: String,
}

impl Encoded {
    fn new(bytes: Bytes) -> Self {
        let etag = etag::from_hash(xxh3_128(&bytes));
        Self { bytes, etag }
    }
}

impl Asset {
    pub(super) const fn new(name: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, bytes, encodings: OnceLock::new() }
    }

    /// The path below `/ui/`.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    fn encodings(&self) -> &Encodings {
        self.encodings.get_or_init(|| Encodings {
            identity: Encoded::new(Bytes::from_static(self.bytes)),
            gzip: gzip(self.bytes).ok().map(|bytes| Encoded::new(bytes.into())),
        })
    }

    /// The file in the encoding that `headers` accept, or 304 if the client has it already.
    pub(super) fn respond(&self, headers: &HeaderMap) -> Response {
        let encodings = self.encodings();
        let gzip = encodings.gzip.as_ref().filter(|_| accepts_gzip(headers));
        let encoded = gzip.unwrap_or(&encodings.identity);
        let common = [
            (header::ETAG, &*encoded.etag),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        if etag::matches(headers, &encoded.etag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type())];
        let mut response = (common, content_type, encoded.bytes.clone()).into_response();
        if gzip.is_some() {
            let encoding = header::HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, encoding);
        }
        response
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
