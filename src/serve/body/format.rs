//! The format of a body, from its headers.

use axum::http::{HeaderMap, HeaderName, header};

use super::error::unsupported_media_type;
use crate::serve::error::ApiError;
use crate::serve::excerpt::excerpt;

/// The media types that clients use for JSON lines; none of them is registered.
const LINES_TYPES: [&str; 4] =
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"];

/// How the events of a body are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum BodySyntax {
    /// One JSON object, or an array of objects.
    Json,
    /// One JSON object per line.
    Lines,
    /// Either of them; the first bytes decide.
    Text,
}

/// The syntax of a body, and whether it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) struct BodyFormat {
    pub(in crate::serve) syntax: BodySyntax,
    pub(in crate::serve) is_gzip: bool,
}

impl BodyFormat {
    /// The format that `Content-Type` and `Content-Encoding` state.
    ///
    /// # Errors
    /// 415 `unsupported_media_type` if the type is missing, or if the type or encoding is not supported.
    pub(in crate::serve) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let media_type = value(headers, &header::CONTENT_TYPE)?;
        let syntax = match media_type.split(';').next().map(str::trim) {
            Some(name) if name.eq_ignore_ascii_case("application/json") => BodySyntax::Json,
            Some(name) if LINES_TYPES.iter().any(|lines| name.eq_ignore_ascii_case(lines)) => {
                BodySyntax::Lines
            }
            // What `navigator.sendBeacon` sends, and pages send without a preflight.
            Some(name) if name.eq_ignore_ascii_case("text/plain") => BodySyntax::Text,
            _ => {
                return Err(unsupported_media_type(format!(
                    "the content type is '{}'; send application/json or application/x-ndjson",
                    excerpt(media_type)
                )));
            }
        };
        Ok(Self { syntax, ..Self::text(headers)? })
    }

    /// The format of text of any type, with the `Content-Encoding` that the headers state.
    ///
    /// # Errors
    /// 415 `unsupported_media_type` if the encoding is not supported.
    pub(in crate::serve) fn text(headers: &HeaderMap) -> Result<Self, ApiError> {
        let encoding = value(headers, &header::CONTENT_ENCODING)?.trim();
        // Both names mean the same (RFC 9110, 8.4.1.3).
        let is_gzip = ["gzip", "x-gzip"].iter().any(|name| encoding.eq_ignore_ascii_case(name));
        if !is_gzip && !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return Err(unsupported_media_type(format!(
                "the content encoding is '{}'; send gzip, or no Content-Encoding header",
                excerpt(encoding)
            )));
        }
        Ok(Self { syntax: BodySyntax::Text, is_gzip })
    }
}

/// The only value of a header, or an empty text if the header is absent.
fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map_or(Ok(""), |value| value.to_str());
    match (value, values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(unsupported_media_type(format!(
            "the header {name} is repeated or is not ASCII text; send it once"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(media_type: Option<&str>, encoding: Option<&str>) -> HeaderMap {
        let given = [(header::CONTENT_TYPE, media_type), (header::CONTENT_ENCODING, encoding)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    #[test]
    fn accepts_json_and_json_lines_plain_or_as_gzip() {
        let format = |syntax, is_gzip| Some(BodyFormat { syntax, is_gzip });
        for (media_type, encoding, expected) in [
            (Some("application/json"), None, format(BodySyntax::Json, false)),
            (
                Some("Application/JSON; charset=utf-8"),
                Some("identity"),
                format(BodySyntax::Json, false),
            ),
            (Some("application/x-ndjson"), Some("gzip"), format(BodySyntax::Lines, true)),
            (Some("application/jsonl"), Some("GZIP"), format(BodySyntax::Lines, true)),
            (Some("application/jsonlines"), Some(""), format(BodySyntax::Lines, false)),
            (None, None, None),
            (Some(""), None, None),
            (Some("application/json"), Some("X-Gzip"), format(BodySyntax::Json, true)),
            (Some("text/plain;charset=UTF-8"), None, format(BodySyntax::Text, false)),
            (Some("text/html"), None, None),
            (Some("application/json, application/json"), None, None),
            (Some("application/json"), Some("br"), None),
            (Some("application/json"), Some("gzip, gzip"), None),
        ] {
            let found = BodyFormat::of(&headers(media_type, encoding));
            let status = found.as_ref().err().map(|error| error.status().as_u16());
            assert_eq!(status, expected.is_none().then_some(415), "{media_type:?} {encoding:?}");
            assert_eq!(found.ok(), expected, "{media_type:?} {encoding:?}");
        }
        let mut twice = headers(Some("application/json"), None);
        twice.append(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        assert!(BodyFormat::of(&twice).is_err());
    }
}
