//! The store interface of a bucket.

use std::io::{self, Read};

use aws_sdk_s3::error::ProvideErrorMetadata;
use bytes::Bytes;

use super::bucket::S3;
use super::conditional::ConditionalWrite;
use super::error::status;
use super::range_fetch::Version;
use super::ranged_reader::RangedReader;
use crate::store::compare_writer::CompareWriter;
use crate::store::interface::{
    Listing, Object, PutOptions, Store, StoreError, WriteBody, WriteOutcome,
};

impl Store for S3 {
    fn check(&self) -> Result<(), StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let call = self.report_silence("list", "", list.max_keys(1).send());
        let listed = self.runtime.block_on(call);
        listed.map(drop).map_err(|error| self.failed("list", "", &error))
    }

    fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        self.list_keys(folder, Some("/"))
    }

    fn walk(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        Ok(self.list_keys(prefix, None)?.objects)
    }

    fn find(&self, key: &str) -> Result<Option<Object>, StoreError> {
        // Not a HEAD request, because its error would have no code.
        let get =
            self.client.get_object().bucket(&self.bucket).key(self.key(key)).range("bytes=0-0");
        let response = self.runtime.block_on(self.report_silence("read", key, get.send()));
        let version = match response {
            Ok(response) => Version::of(&response),
            Err(error) => match (status(&error), error.code()) {
                // An empty object has no ranges.
                (Some(416), _) => Ok(Version { etag: None, bytes: 0 }),
                (Some(404), code) if code != Some("NoSuchBucket") => return Ok(None),
                _ => return Err(self.failed("read", key, &error)),
            },
        };
        let failed = |reason| StoreError { action: "read", name: self.name(key), reason };
        let Version { etag, bytes } = version.map_err(failed)?;
        Ok(Some(Object { key: key.to_owned(), bytes, etag }))
    }

    fn read(&self, object: &Object, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        if offset >= object.bytes {
            return Ok(Box::new(io::empty()));
        }
        Ok(Box::new(RangedReader::new(self.clone(), object, offset)))
    }

    fn put(
        &self,
        key: &str,
        options: PutOptions,
        write: WriteBody<'_>,
    ) -> Result<WriteOutcome, StoreError> {
        let failed = |action| move |reason| StoreError { action, name: self.name(key), reason };
        let mut bytes = Vec::new();
        write(&mut bytes).map_err(failed("write"))?;
        let bytes = Bytes::from(bytes);
        match self.runtime.block_on(self.put_if(key, options, &bytes))? {
            ConditionalWrite::Done => Ok(WriteOutcome::Done),
            ConditionalWrite::Newer => Ok(WriteOutcome::PreconditionFailed),
            ConditionalWrite::Exists => {
                let existing = RangedReader::newest(self.clone(), key);
                let is_same = CompareWriter::is_same(existing, &mut |out| out.write_all(&bytes));
                match is_same.map_err(failed("compare"))? {
                    true => Ok(WriteOutcome::Done),
                    false => Ok(WriteOutcome::PreconditionFailed),
                }
            }
        }
    }

    fn remove(&self, key: &str, version: u64) -> Result<WriteOutcome, StoreError> {
        match self.runtime.block_on(self.remove_if(key, version))? {
            ConditionalWrite::Done => Ok(WriteOutcome::Done),
            ConditionalWrite::Exists | ConditionalWrite::Newer => {
                Ok(WriteOutcome::PreconditionFailed)
            }
        }
    }

    fn name(&self, key: &str) -> String {
        self.full_name(key)
    }
}
