//! Errors of parameters. Their messages are for the client.

use std::fmt::Display;

use serde::de::{self, Expected, Unexpected};
use thiserror::Error;

use crate::serve::error::ApiError;
use crate::serve::excerpt::excerpt;

/// A parameter that a call does not accept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum ParamError {
    /// A required parameter is absent.
    #[error("the parameter '{0}' is missing; add it")]
    Missing(&'static str),
    /// A parameter is given twice.
    #[error("the parameter '{0}' is given twice; give it once")]
    Repeated(&'static str),
    /// The call does not have this parameter.
    #[error("unknown parameter '{}'; {}", excerpt(name), accepted(known))]
    Unknown {
        /// The name in the request.
        name: String,
        /// The parameters of the call.
        known: &'static [&'static str],
    },
    /// A value is invalid; its parameter is not known yet.
    #[error("a parameter is invalid; it must be {0}")]
    Value(String),
    /// A value of a known parameter is invalid.
    #[error("{} is '{}'; it must be {requirement}", name, excerpt(value))]
    Invalid {
        /// The parameter.
        name: String,
        /// Its value in the request.
        value: String,
        /// Completes "it must be".
        requirement: String,
    },
}

impl ParamError {
    /// Adds the parameter and its value to a [`ParamError::Value`].
    pub(super) fn of(self, name: &str, value: &str) -> Self {
        match self {
            Self::Value(requirement) => {
                Self::Invalid { name: name.to_owned(), value: value.to_owned(), requirement }
            }
            known => known,
        }
    }
}

impl de::Error for ParamError {
    /// `requirement` completes "it must be".
    fn custom<T: Display>(requirement: T) -> Self {
        Self::Value(requirement.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(expected.to_string())
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(expected.to_string())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Value(list(expected, "or"))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::Unknown { name: name.to_owned(), known }
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::Repeated(name)
    }
}

impl From<ParamError> for ApiError {
    fn from(error: ParamError) -> Self {
        Self::bad_parameter(error.to_string())
    }
}

fn accepted(names: &[&str]) -> String {
    match names {
        [] => "this call takes no parameters".to_owned(),
        names => format!("this call takes {}", list(names, "and")),
    }
}

/// The items with commas, and `last` before the final one.
fn list(items: &[&str], last: &str) -> String {
    match items {
        [] => String::new(),
        [item] => (*item).to_owned(),
        [items @ .., item] => format!("{} {last} {item}", items.join(", ")),
    }
}
