//! Objects that are put under conditions, which S3 looks at together with the write.

use std::time::Duration;

use aws_sdk_s3::types::ObjectCannedAcl;
use bytes::Bytes;
use tokio::time::sleep;

use super::S3;
use super::error::{fault, status};
use crate::aws::{Fault, backoff};
use crate::store::{Acl, Condition, Form, StoreError};

/// The metadata that holds an object's version.
const VERSION: &str = "velodrome-version";

/// How often a put is tried that somebody else was faster than each time.
const ATTEMPTS: u32 = 8;

/// How long the first wait for others is.
const WAIT: Duration = Duration::from_millis(50);

/// What became of bytes that were to be put.
pub(super) enum Outcome {
    Put,
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
            let guard = match form.condition {
                Condition::Always => Guard::Anything,
                Condition::Absent => Guard::Nothing,
                Condition::NotNewerThan(version) => match self.version(key).await? {
                    None => Guard::Nothing,
                    Some((_, there)) if there > version => return Ok(Outcome::Newer),
                    Some((etag, _)) => Guard::This(etag),
                },
            };
            let put = self.client.put_object().bucket(&self.bucket).key(self.key(key));
            let put = put.content_type(form.content_type).body(bytes.clone().into());
            let put = put.set_acl(form.acl.map(|Acl::PublicRead| ObjectCannedAcl::PublicRead));
            let put = match form.condition {
                Condition::NotNewerThan(version) => put.metadata(VERSION, version.to_string()),
                _ => put,
            };
            let put = match &guard {
                Guard::Anything => put,
                Guard::Nothing => put.if_none_match("*"),
                Guard::This(etag) => put.if_match(etag),
            };
            let Err(error) = put.send().await else { return Ok(Outcome::Put) };
            let is_passing = match (fault(&error), &guard) {
                // Somebody else writes it at this moment.
                (Fault::Condition, _) if status(&error) == Some(409) => true,
                (Fault::Condition, Guard::Nothing) if form.condition == Condition::Absent => {
                    return Ok(Outcome::There);
                }
                // It came, changed or was removed since it was looked at.
                (Fault::Condition, _) | (Fault::Missing, Guard::This(_)) => true,
                _ => false,
            };
            failures += 1;
            if !is_passing || failures == ATTEMPTS {
                return Err(self.failed("write", key, &error));
            }
            sleep(backoff(WAIT, failures - 1)).await;
        }
    }

    /// ETag and version of the object of a key; what was put without a version is older than all.
    async fn version(&self, key: &str) -> Result<Option<(String, u64)>, StoreError> {
        let head = self.client.head_object().bucket(&self.bucket).key(self.key(key));
        match head.send().await {
            Ok(there) => {
                let version = there.metadata().and_then(|metadata| metadata.get(VERSION));
                let version = version.and_then(|version| version.parse().ok()).unwrap_or(0);
                Ok(Some((there.e_tag.unwrap_or_default(), version)))
            }
            Err(error) if fault(&error) == Fault::Missing => Ok(None),
            Err(error) => Err(self.failed("read", key, &error)),
        }
    }
}
