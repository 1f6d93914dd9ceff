//! What an error of AWS means: one line, and whether to try again.

use std::error::Error;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No such stream, bucket or object.
    Missing,
    /// No permission, or credentials that are not valid.
    Denied,
    /// Too much at a time.
    Throttled,
    /// What a condition forbids: it is there already, or is another one.
    Condition,
    /// Nobody answers, or not in time.
    Unreachable,
    /// Any other.
    Other,
}

impl Fault {
    /// What `error` is.
    pub fn of<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Self {
        let SdkError::ServiceError(service) = error else {
            return match error {
                SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Self::Unreachable,
                _ => Self::Other,
            };
        };
        match service.err().code().unwrap_or_default() {
            "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchKey" | "NotFound" => {
                Self::Missing
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
            "PreconditionFailed" | "ConditionalRequestConflict" => Self::Condition,
            _ => Self::Other,
        }
    }
}

/// One line that says what `error` is: AWS' own code and message, or why nobody could be asked.
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
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => format!("no connection: {}", innermost(error)),
            None => "no connection".to_owned(),
        },
        SdkError::ConstructionFailure(_) => "the request cannot be made".to_owned(),
        _ => "the answer cannot be understood".to_owned(),
    }
}

/// What the error at the end of the chain says: what happened, without what it happened to.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
