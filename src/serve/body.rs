//! A request's body, from the wire to bytes in bounded memory.

use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::sync::mpsc::{self, error::SendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::ApiError;
use super::query::{VALUE_CHARS_MAX, shortened};
use crate::ingest::gunzip::Gunzip;

/// The largest body, as it is sent and decompressed.
pub(super) const BODY_BYTES_MAX: usize = 8 << 20;

/// How much more of a body that is refused is read and thrown away. A client that still sends when
/// the connection is closed may never see the answer.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// How much is decompressed at a time.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One JSON object, or an array of them.
    Json,
    /// A JSON object a line.
    Lines,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) kind: Kind,
    pub(super) is_gzip: bool,
}

/// Bytes of a body, which count among those of all bodies as long as they are held.
pub(super) struct Held {
    bytes: Vec<u8>,
    bytes_max: usize,
    memory: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Form {
    /// What the headers say.
    ///
    /// # Errors
    /// 415 `unsupported_media_type` for what is not taken, or not said.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let content = value(headers, &header::CONTENT_TYPE)?;
        let kind = match content.split(';').next().map(str::trim) {
            Some(kind) if kind.eq_ignore_ascii_case("application/json") => Kind::Json,
            Some(kind) if is_lines(kind) => Kind::Lines,
            _ => {
                let content = shortened(content, VALUE_CHARS_MAX);
                return Err(unsupported(format!(
                    "the content type is '{content}'; send application/json or application/x-ndjson"
                )));
            }
        };
        let coding = value(headers, &header::CONTENT_ENCODING)?.trim();
        let is_gzip = coding.eq_ignore_ascii_case("gzip");
        if !is_gzip && !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            let coding = shortened(coding, VALUE_CHARS_MAX);
            let message = format!("the content encoding is '{coding}'; send gzip or none");
            return Err(unsupported(message));
        }
        Ok(Self { kind, is_gzip })
    }
}

impl Held {
    /// No bytes yet, and no more than `bytes_max` ever; they take their permits from `memory`.
    pub(super) fn new(memory: Arc<Semaphore>, bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, memory, permit: None }
    }

    /// Adds what came.
    ///
    /// # Errors
    /// 413 `body_too_large`, and as for [`Held::charge`].
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), ApiError> {
        if self.bytes.len() + piece.len() > self.bytes_max {
            return Err(body_too_large(self.bytes_max));
        }
        self.charge(piece.len())?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Counts so many bytes more, of what is made of the body.
    ///
    /// # Errors
    /// 503 `busy` where all bodies together are too large.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(bytes).map_err(|_| {
            let message = "too many bodies are being received; send it again";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
        })?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }

    /// What the body is decompressed.
    ///
    /// # Errors
    /// As for [`Held::push`], and 400 `bad_body` for gzip that is broken or cut short.
    pub(super) fn decompressed(&self) -> Result<Self, ApiError> {
        let mut whole = Self::new(Arc::clone(&self.memory), self.bytes_max);
        let mut reader = Gunzip::new(BufReader::new(self.bytes()));
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(whole),
                Ok(length) => whole.push(piece.get(..length).unwrap_or_default())?,
                Err(error) => return Err(bad_body(error.to_string())),
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body into `held`, within `wait`.
///
/// # Errors
/// As for [`Held::push`], 408 `body_timeout`, and 400 `bad_body` where it broke off.
pub(super) async fn read(mut body: Body, mut held: Held, wait: Duration) -> Result<Held, ApiError> {
    let reading = async {
        let (mut refused, mut discarded) = (None, 0);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            if refused.is_none() {
                refused = held.push(&piece).err();
            }
            if refused.is_some() {
                discarded += piece.len();
            }
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
        match refused {
            Some(error) => Err(error),
            None => Ok(held),
        }
    };
    timeout(wait, reading).await.unwrap_or_else(|_| Err(too_late(wait)))
}

/// Hands a body over piece by piece, within `wait`. Once nobody takes its pieces, the rest is read and thrown
/// away.
///
/// # Errors
/// 408 `body_timeout`, and 400 `bad_body` where it broke off; what was handed over stays so.
pub(super) async fn feed(
    mut body: Body,
    pieces: mpsc::Sender<Bytes>,
    wait: Duration,
) -> Result<(), ApiError> {
    let feeding = async {
        let mut discarded = 0;
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            if let Err(SendError(piece)) = pieces.send(piece).await {
                discarded += piece.len();
            }
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        }
        Ok(())
    };
    timeout(wait, feeding).await.unwrap_or_else(|_| Err(too_late(wait)))
}

fn broken_off() -> ApiError {
    bad_body("the body broke off; send it again")
}

fn too_late(wait: Duration) -> ApiError {
    let message = format!("the body did not come within {wait:?}; send it again");
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
}

/// 413: a body of more bytes than there may be.
pub(super) fn body_too_large(bytes_max: usize) -> ApiError {
    too_large(format!("the body has more than {bytes_max} bytes; send less at once"))
}

/// 413: a part of a body that is too large.
pub(super) fn too_large(message: String) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
}

/// 400: a body that is unreadable as a whole.
pub(super) fn bad_body(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_body", message)
}

/// 415: what is not taken.
pub(super) fn unsupported(message: String) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}

/// The names under which clients send lines of JSON; none is registered.
fn is_lines(kind: &str) -> bool {
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"]
        .iter()
        .any(|name| kind.eq_ignore_ascii_case(name))
}

/// The one value of a header; nothing where it is not there.
fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map_or(Ok(""), |value| value.to_str());
    match (value, values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(unsupported(format!("the header {name} is no text, or there are several"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::response::IntoResponse;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn headers(content: Option<&str>, coding: Option<&str>) -> HeaderMap {
        let given = [(header::CONTENT_TYPE, content), (header::CONTENT_ENCODING, coding)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    fn form(content: Option<&str>, coding: Option<&str>) -> Result<Form, u16> {
        let status = |error: ApiError| error.into_response().status().as_u16();
        Form::of(&headers(content, coding)).map_err(status)
    }

    fn gzip(bytes: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        bytes.for_each(|piece| encoder.write_all(&piece).unwrap());
        encoder.finish().unwrap()
    }

    fn held(bytes: &[u8], memory: &Arc<Semaphore>) -> Held {
        let mut held = Held::new(Arc::clone(memory), BODY_BYTES_MAX);
        held.push(bytes).unwrap();
        held
    }

    fn code(result: Result<Held, ApiError>) -> String {
        format!("{:?}", result.map(|held| held.bytes.len()))
    }

    #[test]
    fn json_and_lines_are_taken_plain_and_as_gzip() {
        let form_of = |kind, is_gzip| Ok(Form { kind, is_gzip });
        for (content, coding, expected) in [
            (Some("application/json"), None, form_of(Kind::Json, false)),
            (Some("Application/JSON; charset=utf-8"), Some("identity"), form_of(Kind::Json, false)),
            (Some("application/x-ndjson"), Some("gzip"), form_of(Kind::Lines, true)),
            (Some("application/jsonl"), Some("GZIP"), form_of(Kind::Lines, true)),
            (Some("application/jsonlines"), Some(""), form_of(Kind::Lines, false)),
            (None, None, Err(415)),
            (Some(""), None, Err(415)),
            (Some("text/plain"), None, Err(415)),
            (Some("application/json, application/json"), None, Err(415)),
            (Some("application/json"), Some("br"), Err(415)),
            (Some("application/json"), Some("gzip, gzip"), Err(415)),
        ] {
            assert_eq!(form(content, coding), expected, "{content:?} {coding:?}");
        }
        let mut twice = headers(Some("application/json"), None);
        twice.append(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        assert!(Form::of(&twice).is_err());
    }

    #[test]
    fn a_bomb_of_a_gibibyte_takes_no_more_memory_than_the_largest_body() {
        let zeros = gzip((0..1024).map(|_| vec![0; 1 << 20]));
        let memory = Arc::new(Semaphore::new(zeros.len() + BODY_BYTES_MAX));
        let bomb = held(&zeros, &memory);
        assert!(code(bomb.decompressed()).contains("body_too_large"));
        drop(bomb);
        assert_eq!(memory.available_permits(), zeros.len() + BODY_BYTES_MAX);
    }

    #[test]
    fn bodies_count_while_they_are_held_and_over_the_bound_none_is_taken() {
        let memory = Arc::new(Semaphore::new(100));
        let compressed = gzip([vec![7; 60]].into_iter());
        let first = held(&compressed, &memory);
        let whole = first.decompressed().unwrap();
        assert_eq!(whole.bytes(), vec![7; 60]);
        assert_eq!(memory.available_permits(), 100 - 60 - compressed.len());
        assert!(code(first.decompressed()).contains("busy"));
        drop((first, whole));
        assert_eq!(memory.available_permits(), 100);
    }

    #[test]
    fn gzip_that_is_broken_or_cut_short_is_unreadable() {
        let memory = Arc::new(Semaphore::new(1 << 20));
        let whole = gzip([b"{}".repeat(9)].into_iter());
        let (head, tail) = whole.split_at(whole.len() - 1);
        let mut flipped = whole.clone();
        flipped[12] ^= 0x40;
        for broken in [head, tail, b"{}", &flipped, &[&whole[..], b"x"].concat()] {
            assert!(code(held(broken, &memory).decompressed()).contains("bad_body"), "{broken:?}");
        }
        let twice = [&whole[..], &whole[..]].concat();
        assert_eq!(held(&twice, &memory).decompressed().unwrap().bytes(), b"{}".repeat(18));
    }
}
