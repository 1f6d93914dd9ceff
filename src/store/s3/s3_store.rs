//! The store interface of a bucket.

use std::io::{self, Read};

use bytes::Bytes;

use super::bucket::S3;
use super::conditional::ConditionalWrite;
use super::ranged_reader::RangedReader;
use crate::store::compare_writer::CompareWriter;
use crate::store::interface::{
    Listing, Object, PutOptions, Store, StoreError, WriteBody, WriteOutcome,
};

impl Store for S3 {
    fn check(&self) -> Result<(), StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let listed = self.runtime.block_on(list.max_keys(1).send());
        listed.map(drop).map_err(|error| self.failed("list", "", &error))
    }

    fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        for page in self.pages(folder, Some("/")) {
            let page = page.map_err(|error| self.failed("list", folder, &error))?;
            let folders = page.common_prefixes().iter().filter_map(|folded| folded.prefix());
            let folders = folders.filter_map(|folder| folder.strip_prefix(&self.prefix));
            listing.folders.extend(folders.map(str::to_owned));
            listing.objects.extend(self.objects(&page));
        }
        Ok(listing)
    }

    fn walk<'a>(
        &'a self,
        prefix: &str,
    ) -> Box<dyn Iterator<Item = Result<Object, StoreError>> + Send + 'a> {
        let name = prefix.to_owned();
        Box::new(self.pages(prefix, None).flat_map(move |page| match page {
            Ok(page) => self.objects(&page).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(self.failed("list", &name, &error))],
        }))
    }

    fn read(&self, object: &Object, offset: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        if offset >= object.bytes {
            return Ok(Box::new(io::empty()));
        }
        Ok(Box::new(RangedReader::new(self.clone(), object.key.clone(), offset)))
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
                let existing = RangedReader::new(self.clone(), key.to_owned(), 0);
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
