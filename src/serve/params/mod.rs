//! Extractors for the query string and the path.
//!
//! Their errors are 400 `bad_parameter`. The message names the parameter, quotes its value, and states
//! what the call accepts. All messages are written in `error`, so no message of serde reaches a
//! client.

mod deserializer;
mod error;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::deserializer::Pairs;
use super::error::ApiError;

pub(super) use self::deserializer::number_within;

/// The parameters of the query string. `T` must have `#[serde(deny_unknown_fields)]` and no flattened
/// fields. A parameter that is unknown, repeated, missing or invalid is an error.
#[derive(Clone, Copy, Debug)]
pub struct QueryParams<T>(pub T);

/// The parameters of the path: one value, or a struct with one field for each parameter.
#[derive(Clone, Copy, Debug)]
pub struct PathParams<T>(pub T);

/// The query parameters of a call that takes none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Path(pairs) = path.map_err(|rejection| path_error(&rejection))?;
        Ok(Self(T::deserialize(Pairs(&pairs))?))
    }
}

fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    Ok(T::deserialize(Pairs(&pairs))?)
}

fn path_error(rejection: &PathRejection) -> ApiError {
    match rejection {
        PathRejection::FailedToDeserializePathParams(error) => match error.kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => {
                ApiError::bad_parameter(format!("{key} is not valid UTF-8; encode it as UTF-8"))
            }
            _ => ApiError::internal(),
        },
        _ => ApiError::internal(),
    }
}
