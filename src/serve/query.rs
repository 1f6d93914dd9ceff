//! What a request says in its path and query string: extractors whose refusals name the parameter.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use hashbrown::HashSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// How many characters of a name or value a message quotes: more than any that is right has.
pub(super) const VALUE_CHARS_MAX: usize = 40;
/// How many characters of the reason a message tells: enough for the names of all parameters.
const REASON_CHARS_MAX: usize = 200;

/// The query string as a `T`, whose derive must say `#[serde(deny_unknown_fields)]` and must not
/// flatten. A parameter that is unknown, given twice, missing or not of its type is a 400
/// `bad_parameter` that names it and quotes its value.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

/// The segments of the path as a `T`: one value, or a struct of several by their names. One that is
/// not of its type is a 400 `bad_parameter` that names it and quotes its value.
#[derive(Clone, Copy, Debug)]
pub struct PathParam<T>(pub T);

/// No parameters at all.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        params(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParam<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|rejection| path_error(&rejection))
    }
}

/// Reads a query string.
fn params<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let pairs = || form_urlencoded::parse(query.as_bytes());
    let value_of = |name: &str| pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut names = HashSet::new();
    if let Some((twice, _)) = pairs().find(|(name, _)| !names.insert(name.clone())) {
        let twice = shortened(&twice, VALUE_CHARS_MAX);
        return Err(ApiError::bad_parameter(format!("{twice} is given twice; give it once")));
    }
    let deserializer = serde_urlencoded::Deserializer::new(pairs());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let name = error.path().to_string();
        // What serde calls a field is a parameter here; it quotes names and values in full.
        let reason = error.inner().to_string().replacen(" field `", " parameter `", 1);
        let reason = shortened(&reason, REASON_CHARS_MAX);
        ApiError::bad_parameter(match value_of(&name) {
            Some(value) => {
                let name = shortened(&name, VALUE_CHARS_MAX);
                format!("{name} is '{}': {reason}", shortened(&value, VALUE_CHARS_MAX))
            }
            None => reason,
        })
    })
}

fn path_error(rejection: &PathRejection) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        return internal();
    };
    let must_be = |name: &str, value: &str, expected: &str| {
        let value = shortened(value, VALUE_CHARS_MAX);
        ApiError::bad_parameter(format!("{name} is '{value}'; it must be of type {expected}"))
    };
    match error.kind() {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            must_be(key, value, expected_type)
        }
        ErrorKind::ParseErrorAtIndex { index, value, expected_type } => {
            must_be(&format!("segment {index} of the path's parameters"), value, expected_type)
        }
        ErrorKind::ParseError { value, expected_type } => {
            must_be("the path's parameter", value, expected_type)
        }
        ErrorKind::DeserializeError { key, value, message } => {
            let value = shortened(value, VALUE_CHARS_MAX);
            ApiError::bad_parameter(format!("{key} is '{value}': {message}"))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            ApiError::bad_parameter(format!("{key} is not UTF-8"))
        }
        _ => internal(),
    }
}

/// 500: an error of ours, of which a client learns no more.
pub(super) fn internal() -> ApiError {
    let message = "the request failed; the service's log says why";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
}

/// The first `chars_max` characters of a text, with a mark where there are more.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::Request;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use tower::ServiceExt;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Some3 {
        second: u16,
        limit: Option<u16>,
        by: Option<By>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum By {
        Final,
        Best,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Race {
        class_id: u16,
        race_id: u64,
    }

    /// Status and body of a GET.
    async fn get_text(uri: &str) -> (u16, String) {
        let one = |PathParam(class): PathParam<u16>| async move { class.to_string() };
        let both = |PathParam(race): PathParam<Race>, Params(NoParams {})| async move {
            format!("{} {}", race.class_id, race.race_id)
        };
        let router: Router = Router::new()
            .route("/classes/{classId}", get(one))
            .route("/races/{classId}/{raceId}", get(both));
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn refusal(query: &str) -> String {
        format!("{:?}", params::<Some3>(query).unwrap_err())
    }

    #[test]
    fn parameters_are_read_by_name() {
        let expected = Some3 { second: 7, limit: Some(9), by: Some(By::Best) };
        assert_eq!(params("by=best&limit=9&second=%37"), Ok(expected));
        assert_eq!(params("second=7"), Ok(Some3 { second: 7, ..Some3::default() }));
    }

    #[test]
    fn a_refusal_names_the_parameter_and_quotes_the_value() {
        for (query, says) in [
            ("second=x", "second is 'x': invalid digit"),
            ("second=", "second is '': "),
            ("second=70000", "second is '70000': number too large"),
            ("second=1&by=worst", "by is 'worst': unknown variant"),
            ("limit=1", "missing parameter `second`"),
            (
                "second=1&secnod=2",
                "secnod is '2': unknown parameter `secnod`, expected one of `second`",
            ),
            ("second=1&second=2", "second is given twice"),
            ("second=1&zz=1&zz=2", "zz is given twice"),
        ] {
            let refusal = refusal(query);
            assert!(refusal.contains(says) && refusal.contains("bad_parameter"), "{refusal}");
        }
        let long = "é".repeat(9_000);
        for query in [format!("second={long}"), format!("second=1&by={long}"), format!("{long}=1")]
        {
            assert!(refusal(&query).len() < 800, "{}", refusal(&query));
        }
    }

    #[tokio::test]
    async fn path_segments_are_read_by_name_or_refused_with_their_value() {
        assert_eq!(get_text("/classes/3").await, (200, "3".to_owned()));
        assert_eq!(get_text("/races/3/5400802").await, (200, "3 5400802".to_owned()));
        for (uri, says) in [
            ("/classes/x", "'x'; it must be of type u16"),
            ("/races/3/-1", "raceId is '-1'; it must be of type u64"),
            ("/races/3/%ff", "raceId is not UTF-8"),
            ("/races/3/1?zz=1", "unknown parameter `zz`"),
        ] {
            let (status, body) = get_text(uri).await;
            assert_eq!(status, 400, "{uri}");
            assert!(body.contains(says), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_query_string_panics(query in ".{0,60}") {
            _ = params::<Some3>(&query);
        }
    }
}
