//! What an error of S3 is to people: one line that names the bucket and what is missing.

use std::error::Error;
use std::io::{self, ErrorKind};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::S3;
use crate::aws::{Fault, describe};
use crate::store::{Store, StoreError};

/// Where an answer tells the region that the bucket is in (S3's API reference, "HeadBucket").
const BUCKET_REGION: &str = "x-amz-bucket-region";

/// What `error` is; an answer without a body has no code but its status.
pub(super) fn fault<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Fault {
    match (Fault::of(error), status(error)) {
        (Fault::Other, Some(403)) => Fault::Denied,
        (Fault::Other, Some(404)) => Fault::Missing,
        (Fault::Other, Some(409 | 412)) => Fault::Condition,
        (fault, _) => fault,
    }
}

pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

impl S3 {
    /// The error of a call that failed on a key.
    pub(super) fn failed<E: ProvideErrorMetadata + Error + 'static>(
        &self,
        action: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> StoreError {
        StoreError { action, name: self.name(key), reason: self.reason(action, error) }
    }

    /// Why a call failed, and what helps.
    pub(super) fn reason<E: ProvideErrorMetadata + Error + 'static>(
        &self,
        action: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> io::Error {
        let Self { bucket, region, .. } = self;
        let told = error.raw_response().and_then(|answer| answer.headers().get(BUCKET_REGION));
        if let Some(other) = told.filter(|told| told != region) {
            return io::Error::other(format!(
                "the bucket '{bucket}' is in the region '{other}', not in '{region}'; set \
                 AWS_REGION={other}"
            ));
        }
        let described = describe(error);
        match fault(error) {
            Fault::Missing if error.code() == Some("NoSuchBucket") => io::Error::other(format!(
                "there is no bucket '{bucket}' in the region '{region}'; make it, or name another"
            )),
            Fault::Missing => io::Error::new(
                ErrorKind::NotFound,
                format!("there is no such object ({described})"),
            ),
            Fault::Denied => {
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
                io::Error::new(ErrorKind::PermissionDenied, reason)
            }
            _ => io::Error::other(format!(
                "{described} (bucket '{bucket}', region '{region}'{})",
                if status(error).is_none() {
                    "; look at the network and --endpoint-url"
                } else {
                    ""
                }
            )),
        }
    }
}
