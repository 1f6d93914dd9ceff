//! Conditional puts and deletes: S3 checks the condition together with the write.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::ObjectCannedAcl;
use bytes::Bytes;
use tokio::time::sleep;

use super::bucket::S3;
use super::error::{kind, status};
use crate::aws::{ErrorKind, backoff};
use crate::store::interface::{Acl, Condition, PutOptions, StoreError};

/// The metadata entry with an object's version.
const VERSION: &str = "velodrome-version";

/// The maximum number of attempts at a write, if each one loses a race against another writer.
const ATTEMPTS: u32 = 8;

/// The first wait after a lost race.
const WAIT: Duration = Duration::from_millis(50);

/// The outcome of a conditional write.
pub(super) enum ConditionalWrite {
    Done,
    /// An object exists, though the condition requires none.
    Exists,
    /// An object with a greater version exists.
    Newer,
}

/// What must be at the key for a write to succeed.
enum Precondition {
    Anything,
    NoObject,
    /// The object with this ETag.
    Etag(String),
}

impl Precondition {
    /// Whether a failed write is to be retried with a new precondition: the object appeared, changed or
    /// vanished since it was read, or another write to the key is in progress.
    fn is_outdated<E: ProvideErrorMetadata>(&self, error: &SdkError<E, HttpResponse>) -> bool {
        match kind(error) {
            ErrorKind::PreconditionFailed => true,
            ErrorKind::NotFound => matches!(self, Self::Etag(_)),
            _ => false,
        }
    }
}

impl S3 {
    /// Puts `bytes` under `key` if the condition in the options holds.
    pub(super) async fn put_if(
        &self,
        key: &str,
        options: PutOptions,
        bytes: &Bytes,
    ) -> Result<ConditionalWrite, StoreError> {
        let mut failures = 0;
        loop {
            let Some(precondition) = self.precondition(key, options.condition).await? else {
                return Ok(ConditionalWrite::Newer);
            };
            let put = self.client.put_object().bucket(&self.bucket).key(self.key(key));
            let put = put.content_type(options.content_type).body(bytes.clone().into());
            let put = put.set_acl(options.acl.map(|Acl::PublicRead| ObjectCannedAcl::PublicRead));
            let put = match options.condition {
                Condition::NotNewerThan(version) => put.metadata(VERSION, version.to_string()),
                Condition::Always | Condition::Absent => put,
            };
            let put = match &precondition {
                Precondition::Anything => put,
                Precondition::NoObject => put.if_none_match("*"),
                Precondition::Etag(etag) => put.if_match(etag),
            };
            let Err(error) = put.send().await else { return Ok(ConditionalWrite::Done) };
            // Only status 412 means that an object exists; 409 means that another write is in progress.
            if options.condition == Condition::Absent && status(&error) == Some(412) {
                return Ok(ConditionalWrite::Exists);
            }
            failures += 1;
            if !precondition.is_outdated(&error) || failures == ATTEMPTS {
                return Err(self.failed("write", key, &error));
            }
            sleep(backoff(WAIT, failures - 1)).await;
        }
    }

    /// Removes the object at `key` if its version is not greater than `version`.
    pub(super) async fn remove_if(
        &self,
        key: &str,
        version: u64,
    ) -> Result<ConditionalWrite, StoreError> {
        let mut failures = 0;
        loop {
            let condition = Condition::NotNewerThan(version);
            let Some(precondition) = self.precondition(key, condition).await? else {
                return Ok(ConditionalWrite::Newer);
            };
            let Precondition::Etag(etag) = &precondition else { return Ok(ConditionalWrite::Done) };
            let remove = self.client.delete_object().bucket(&self.bucket).key(self.key(key));
            let remove = remove.if_match(etag);
            let Err(error) = remove.send().await else { return Ok(ConditionalWrite::Done) };
            failures += 1;
            if !precondition.is_outdated(&error) || failures == ATTEMPTS {
                return Err(self.failed("remove", key, &error));
            }
            sleep(backoff(WAIT, failures - 1)).await;
        }
    }

    /// The precondition of a write to `key` under `condition`; none if the existing object is newer.
    async fn precondition(
        &self,
        key: &str,
        condition: Condition,
    ) -> Result<Option<Precondition>, StoreError> {
        let version = match condition {
            Condition::Always => return Ok(Some(Precondition::Anything)),
            Condition::Absent => return Ok(Some(Precondition::NoObject)),
            Condition::NotNewerThan(version) => version,
        };
        let head = self.client.head_object().bucket(&self.bucket).key(self.key(key));
        let existing = match head.send().await {
            Ok(existing) => existing,
            Err(error) if kind(&error) == ErrorKind::NotFound => {
                return Ok(Some(Precondition::NoObject));
            }
            Err(error) => return Err(self.failed("read", key, &error)),
        };
        // An object without a version counts as older than any other.
        let metadata = existing.metadata();
        let existing_version = metadata.and_then(|metadata| metadata.get(VERSION)?.parse().ok());
        let is_newer = existing_version > Some(version);
        Ok((!is_newer).then(|| Precondition::Etag(existing.e_tag.unwrap_or_default())))
    }
}
