//! Errors of AWS calls: what kind they are, and a one-line description.

use std::error::Error;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

/// The kind of an AWS error, from its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The stream, bucket or object does not exist.
    NotFound,
    /// The credentials are invalid or do not allow the call.
    Denied,
    /// Too many calls or bytes; a later retry may succeed.
    Throttled,
    /// A conditional write's condition does not hold: the object exists, or has changed.
    PreconditionFailed,
    /// No connection, or no response within the timeout.
    Unreachable,
    /// Any other error.
    Other,
}

impl ErrorKind {
    /// The kind of `error`.
    pub fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        let SdkError::ServiceError(service) = error else {
            return match error {
                SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Self::Unreachable,
                _ => Self::Other,
            };
        };
        match service.err().code().unwrap_or_default() {
            "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchKey" | "NotFound" => {
                Self::NotFound
            }
            "AccessDenied"
            | "AccessDeniedException"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "InvalidToken"
            | "MissingAuthenticationTokenException"
            | "Forbidden" => Self::Denied,
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "SlowDown"
            | "ThrottlingException" => Self::Throttled,
            "PreconditionFailed" | "ConditionalRequestConflict" => Self::PreconditionFailed,
            _ => Self::Other,
        }
    }
}

/// A one-line description of `error`: AWS's own code and message, or why the call got no response.
pub fn describe<E: ProvideErrorMetadata + Error + 'static, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let code = error.code().unwrap_or("unknown error");
            match error.message() {
                Some(message) if !message.is_empty() => format!("{code}: {message}"),
                _ => code.to_owned(),
            }
        }
        SdkError::TimeoutError(_) => "the request timed out".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => format!("no connection: {}", innermost(error)),
            None => "no connection".to_owned(),
        },
        SdkError::ConstructionFailure(_) => "the request could not be built".to_owned(),
        _ => "the response could not be parsed".to_owned(),
    }
}

/// The message of the last error in the source chain, which names the cause without the call's details.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
