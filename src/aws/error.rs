//! Errors of AWS calls: what kind they are, and a one-line description.

use std::error::Error;
use std::iter;

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
    /// The object is in an archive storage class, such as Glacier, and must be restored before it is
    /// read.
    Archived,
    /// The clock of this machine differs too much from that of AWS.
    ClockSkew,
    /// The KMS key of the object or stream cannot be used.
    Encryption,
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
        let error = service.err();
        let message = error.message().unwrap_or_default();
        match error.code().unwrap_or_default() {
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Self::ClockSkew,
            // The message decides, because a wrong key has the same codes.
            "InvalidSignatureException" | "SignatureDoesNotMatch"
                if message.starts_with("Signature expired")
                    || message.starts_with("Signature not yet current") =>
            {
                Self::ClockSkew
            }
            "AccessDenied" | "AccessDeniedException" if message.contains("kms:") => {
                Self::Encryption
            }
            "KMSThrottlingException" | "KMS.ThrottlingException" => Self::Throttled,
            code if code.starts_with("KMS") => Self::Encryption,
            "InvalidObjectState" => Self::Archived,
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
            | "SlowDown"
            | "ThrottlingException" => Self::Throttled,
            "PreconditionFailed" | "ConditionalRequestConflict" => Self::PreconditionFailed,
            _ => Self::Other,
        }
    }
}

/// What to do about a clock that differs from that of AWS.
pub const CLOCK_REMEDY: &str = "set this machine's clock, which differs too much from that of AWS";

/// A one-line description of `error`: AWS's own code and message, or why the call got no response.
pub fn describe<E: ProvideErrorMetadata + Error + 'static, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let code = error.code().unwrap_or("unknown error");
            match error.message() {
                Some(message) if !message.is_empty() => {
                    format!("{code}: {}", message.trim_end_matches('.'))
                }
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

/// The causes of `error` in one line, without `error` itself, whose message is the same for all causes.
pub(super) fn causes(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&error| error.source());
    // In each message, the first line is the error; further lines list what was tried.
    let first_line = |error: &dyn Error| {
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        first.trim_end_matches(". Attempted:").to_owned()
    };
    let mut messages: Vec<_> = causes.map(first_line).collect();
    messages.dedup();
    messages.join(": ")
}

/// The message of the last error in the source chain, which names the cause without the call's details.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
