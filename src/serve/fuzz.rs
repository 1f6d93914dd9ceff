//! Fuzz targets of requests: bodies, headers and tokens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs;
use std::num::NonZeroU32;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::auth::{bearer, split_tokens};
use super::batch::Batch;
use super::body::{BODY_BYTES_MAX, BodyBuffer, BodyFormat, BodyMemory, BodySyntax};
use super::client::Client;
use super::etag;
use super::firehose;
use super::origin::{self, Origin};
use super::permissions::Permissions;
use super::tls;
use super::ui::accepts_gzip;
use super::visibility::VisibilityToken;
use crate::auth::{Claims, Keyring, Scope};
use crate::ingest::fuzz::RACE_SECONDS;

pub(crate) use super::firebase_tree::fuzz::tree_path;
pub(crate) use super::params::fuzz::query;
pub(crate) use super::reads::fuzz::cursor;
pub(crate) use super::stream::fuzz::{event_id, topics};

const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIGIP9+Lh4YHbddkBheB+Jj1eQWCB4UpAB4hXWRYAoRR8\n\
    -----END PRIVATE KEY-----\n";
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::from_pem(KEY, "key").unwrap());

/// Each event of a body gets one verdict. The first byte selects the syntax, and whether it is gzip.
pub(crate) fn body(input: &[u8]) {
    let [kind, sent @ ..] = input else { return };
    let memory = BodyMemory::new(4 * BODY_BYTES_MAX);
    let mut buffer = BodyBuffer::new(memory.share(Client::Token(1)), BODY_BYTES_MAX);
    if buffer.push(sent).is_err() {
        return;
    }
    if kind & 2 != 0 {
        match buffer.decompressed() {
            Ok(plain) => buffer = plain,
            Err(_) => return,
        }
    }
    let syntaxes = [BodySyntax::Lines, BodySyntax::Json, BodySyntax::Text, BodySyntax::Text];
    let syntax = syntaxes[usize::from((kind & 1) | ((kind >> 1) & 2))];
    let events_max = NonZeroU32::new(1_000).unwrap();
    let permissions = Permissions::default();
    let decoded = Batch::decode(buffer.bytes(), syntax, permissions, RACE_SECONDS, events_max);
    let Ok(batch) = decoded else { return };
    assert_eq!(batch.lines.len() + batch.rejected.len(), batch.count());
    assert_eq!(batch.lines.len(), batch.events.samples.len() + batch.events.tracking.len());
    assert_eq!(batch.lines.len(), batch.indices.len());
    let rejected = batch.rejected.iter().map(|rejected| rejected.index);
    let mut indices: Vec<_> = batch.indices.iter().copied().chain(rejected).collect();
    indices.sort_unstable();
    assert!(indices.into_iter().eq(0..batch.count()));
}

/// Headers of a request, one per line: those of the body, of access, of conditions and of deliveries.
pub(crate) fn headers(input: &[u8]) {
    let names = [
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::HOST,
        header::ORIGIN,
        header::AUTHORIZATION,
        header::ACCEPT_ENCODING,
        header::IF_NONE_MATCH,
        HeaderName::from_static("x-amz-firehose-protocol-version"),
        HeaderName::from_static("x-amz-firehose-request-id"),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in names.iter().cycle().zip(input.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::clone(name), value);
        }
    }
    _ = BodyFormat::of(&headers);
    if let Ok(text) = str::from_utf8(input)
        && let Ok(origin) = text.parse::<Origin>()
    {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        headers.insert(header::ORIGIN, HeaderValue::from_str(text).unwrap());
        assert!(origin::check(&headers, &[origin]).is_ok());
    }
    _ = origin::check(&headers, &[]);
    if let Some(token) = bearer(&headers) {
        assert!(!token.starts_with(' ') && !token.ends_with(' '));
    }
    let known = etag::from_hash(7);
    if etag::matches(&headers, &known) {
        let tags = headers.get_all(header::IF_NONE_MATCH).iter();
        let mut tags = tags.map(|tag| tag.to_str().unwrap_or_default());
        assert!(tags.any(|tag| tag.contains('*') || tag.contains(known.trim_matches('"'))));
    }
    _ = accepts_gzip(&headers);
    firehose::fuzz::delivery_headers(&headers);
}

/// Files of a certificate and its key are used, or the error has no part of them. The input is both files.
pub(crate) fn tls_files(pem: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), pem).unwrap();
    let Err(error) = tls::Certificate::load(file.path(), file.path()) else { return };
    let (message, pem) = (error.to_string(), String::from_utf8_lossy(pem));
    let mut lines = pem.lines().filter(|line| line.len() >= 16);
    assert!(!lines.any(|line| message.contains(line)), "{message}");
}

/// Only a token with a signature is valid. The input is a token, a query with one, claims that are signed,
/// and the token of a reply.
pub(crate) fn token(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(claims) = KEYRING.verify(text, 1) {
        assert_eq!(claims.iss, "velodrome");
    }
    if let Ok(uri) = format!("/v1/stream?{text}").parse::<Uri>() {
        let (token, rest) = split_tokens(&uri);
        assert!(split_tokens(&rest).0.is_none());
        assert_eq!(token.is_none(), rest == uri);
    }
    if let Ok(token) = VisibilityToken::parse(text) {
        assert_eq!(token.to_string(), text);
    }
    let mut claims = Claims::new([Scope::Read].into_iter().collect(), 1, 9);
    claims.sub = Some(text.to_owned());
    claims.projects = Some(text.split(',').map(str::to_owned).collect());
    let issued = KEYRING.issue(&claims).unwrap();
    assert_eq!(KEYRING.verify(&issued, 2), Ok(claims));
}
