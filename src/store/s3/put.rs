//! Objects that are put and removed under conditions, which S3 looks at together with the write.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ObjectCannedAcl;
use bytes::Bytes;
use tokio::time::sleep;

use super::S3;
use super::error::{fault, status};
use crate::aws::{Fault, backoff};
use crate::store::{Acl, Condition, Form, StoreError};

/// The metadata that holds an object's version.
const VERSION: &str = "velodrome-version";

/// How often a write is tried that somebody else was faster than each time.
const ATTEMPTS: u32 = 8;

/// How long the first wait for others is.
const WAIT: Duration = Duration::from_millis(50);

/// What became of a write.
pub(super) enum Outcome {
    Done,
    /// An object is there, though none should be.
    There,
    /// One with a greater version is there.
    Newer,
}

/// What must be there for a write.
enum Guard {
    Anything,
    Nothing,
    /// The object with this ETag.
    This(String),
}

impl Guard {
    /// Whether a write that failed is to be tried anew: what it was to find came, changed or went since
    /// it was looked at, or is being written at this moment.
    fn is_outdated<E: ProvideErrorMetadata>(&self, error: &SdkError<E, HttpResponse>) -> bool {
        match fault(error) {
            Fault::Condition => true,
            Fault::Missing => matches!(self, Self::This(_)),
            _ => false,
        }
    }
}

impl S3 {
    /// Puts `bytes` under `key` where the form's condition lets it.
    pub(super) async fn put_if(
        &self,
        key: &str,
        form: Form,
        bytes: &Bytes,
    ) -> Result<Outcome, StoreError> {
        let mut failures = 0;
        loop {
            let Some(guard) = self.guard(key, form.condition).await? else {
                return Ok(Outcome::Newer);
            };
            let put = self.client.put_object().bucket(&self.bucket).key(self.key(key));
            let put = put.content_type(form.content_type).body(bytes.clone().into());
            let put = put.set_acl(form.acl.map(|Acl::PublicRead| ObjectCannedAcl::PublicRead));
            let put = match form.condition {
                Condition::NotNewerThan(version) => put.metadata(VERSION, version.to_string()),
                Condition::Always | Condition::Absent => put,
            };
            let put = match &guard {
                Guard::Anything => put,
                Guard::Nothing => put.if_none_match("*"),
                Guard::This(etag) => put.if_match(etag),
            };
            let Err(error) = put.send().await else { return Ok(Outcome::Done) };
            // 409 is for one that is only being written.
            if form.condition == Condition::Absent && status(&error) == Some(412) {
                return Ok(Outcome::There);
            }
            failures += 1;
            if !guard.is_outdated(&error) || failures == ATTEMPTS {
                return Err(self.failed("write", key, &error));
            }
            sleep(backoff(WAIT, failures - 1)).await;
        }
    }

    /// Takes the object of `key` away where its version is not greater.
    pub(super) async fn remove_if(&self, key: &str, version: u64) -> Result<Outcome, StoreError> {
        let mut failures = 0;
        loop {
            let Some(guard) = self.guard(key, Condition::NotNewerThan(version)).await? else {
                return Ok(Outcome::Newer);
            };
            let Guard::This(etag) = &guard else { return Ok(Outcome::Done) };
            let remove = self.client.delete_object().bucket(&self.bucket).key(self.key(key));
            let remove = remove.if_match(etag);
            let Err(error) = remove.send().await else { return Ok(Outcome::Done) };
            failures += 1;
            if !guard.is_outdated(&error) || failures == ATTEMPTS {
                return Err(self.failed("remove", key, &error));
            }
            sleep(backoff(WAIT, failures - 1)).await;
        }
    }

    /// What must be there for a write to `key` under `condition`; none where that forbids it by now.
    async fn guard(&self, key: &str, condition: Condition) -> Result<Option<Guard>, StoreError> {
        let version = match condition {
            Condition::Always => return Ok(Some(Guard::Anything)),
            Condition::Absent => return Ok(Some(Guard::Nothing)),
            Condition::NotNewerThan(version) => version,
        };
        let head = self.client.head_object().bucket(&self.bucket).key(self.key(key));
        let there = match head.send().await {
            Ok(there) => there,
            Err(error) if fault(&error) == Fault::Missing => return Ok(Some(Guard::Nothing)),
            Err(error) => return Err(self.failed("read", key, &error)),
        };
        // What was put without a version is older than all.
        let of = there.metadata().and_then(|metadata| metadata.get(VERSION)?.parse().ok());
        let is_newer = of > Some(version);
        Ok((!is_newer).then(|| Guard::This(there.e_tag.unwrap_or_default())))
    }
}
