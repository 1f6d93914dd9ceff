//! Errors of S3 calls, each in one line that names the bucket and the remedy.

use std::error::Error;
use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::bucket::S3;
use crate::aws::{CLOCK_REMEDY, ErrorKind, describe};
use crate::store::interface::StoreError;

/// The response header with the region of the bucket (S3's API reference, "HeadBucket").
const BUCKET_REGION: &str = "x-amz-bucket-region";

/// The kind of `error`. A response without a body has no error code, so its status decides.
pub(super) fn kind<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> ErrorKind {
    match (ErrorKind::of(error), status(error)) {
        (ErrorKind::Other, Some(403)) => ErrorKind::Denied,
        (ErrorKind::Other, Some(404)) => ErrorKind::NotFound,
        (ErrorKind::Other, Some(409 | 412)) => ErrorKind::PreconditionFailed,
        (kind, _) => kind,
    }
}

/// The HTTP status of the response; none without a response.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

impl S3 {
    /// The name of a key in messages.
    pub(super) fn full_name(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }

    /// The error of a failed call for a key.
    pub(super) fn failed<E: ProvideErrorMetadata + Error + 'static>(
        &self,
        action: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> StoreError {
        StoreError { action, name: self.full_name(key), reason: self.reason(action, error) }
    }

    /// Why a call failed, and what to do about it.
    pub(super) fn reason<E: ProvideErrorMetadata + Error + 'static>(
        &self,
        action: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> io::Error {
        let Self { bucket, region, .. } = self;
        let headers = error.raw_response().map(|response| response.headers());
        let actual = headers.and_then(|headers| headers.get(BUCKET_REGION));
        if let Some(actual) = actual.filter(|actual| actual != region) {
            return io::Error::other(format!(
                "the bucket '{bucket}' is in the region '{actual}', not in '{region}'; set \
                 AWS_REGION={actual}"
            ));
        }
        let described = describe(error);
        match kind(error) {
            ErrorKind::NotFound if error.code() == Some("NoSuchBucket") => {
                io::Error::other(format!(
                    "there is no bucket '{bucket}' in the region '{region}'; create it, or name \
                     another"
                ))
            }
            ErrorKind::NotFound => io::Error::new(
                io::ErrorKind::NotFound,
                format!("the object does not exist ({described})"),
            ),
            ErrorKind::Denied => {
                let needed = match action {
                    "list" => "s3:ListBucket",
                    "read" => "s3:GetObject",
                    "remove" => "s3:DeleteObject",
                    _ => "s3:PutObject and s3:GetObject",
                };
                let reason = format!(
                    "no permission in the bucket '{bucket}' in the region '{region}' ({described}); \
                     allow {needed}, or use other credentials"
                );
                io::Error::new(io::ErrorKind::PermissionDenied, reason)
            }
            ErrorKind::Archived => io::Error::other(format!(
                "the object is in an archive storage class such as Glacier ({described}); restore it with \
                 aws s3api restore-object, or copy it to another class"
            )),
            ErrorKind::ClockSkew => io::Error::other(format!("{described}; {CLOCK_REMEDY}")),
            ErrorKind::Encryption => {
                let needed = if action == "read" { "kms:Decrypt" } else { "kms:GenerateDataKey" };
                io::Error::other(format!(
                    "the KMS key of the bucket '{bucket}' or its object cannot be used ({described}); \
                     enable the key and allow {needed}"
                ))
            }
            ErrorKind::Other if error.code() == Some("AccessControlListNotSupported") => {
                io::Error::other(format!(
                    "the bucket '{bucket}' has its ACLs disabled ({described}); leave out --history-acl, and \
                     make objects public by a bucket policy"
                ))
            }
            ErrorKind::Other if status(error) == Some(501) => io::Error::other(format!(
                "the store of the bucket '{bucket}' does not support conditional writes ({described}); use \
                 one that does, such as S3, or a directory"
            )),
            _ => io::Error::other(format!(
                "{described} (bucket '{bucket}', region '{region}'{})",
                if status(error).is_none() { "; check the network and --endpoint-url" } else { "" }
            )),
        }
    }
}
