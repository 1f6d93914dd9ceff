//! Objects in a bucket of S3, or of a store that speaks as it does.

mod error;
mod put;
mod ranges;

use std::io::{self, Read};
use std::iter;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::compared::Compared;
use super::{Form, Listing, Object, Put, Store, StoreError, Write};
use crate::aws::Aws;
use put::Outcome;
use ranges::Ranges;

/// The objects of a bucket whose keys begin with a prefix; clones share connections.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    runtime: Handle,
    region: String,
    bucket: String,
    prefix: String,
}

impl S3 {
    /// The objects of `bucket` whose keys begin with `prefix`, which is empty or ends with a slash.
    pub fn new(aws: &Aws, bucket: &str, prefix: &str) -> Self {
        // Few names of buckets are also names of hosts anywhere but at AWS.
        let config = Builder::from(aws.config()).force_path_style(aws.has_endpoint("S3"));
        Self {
            client: Client::from_conf(config.build()),
            runtime: aws.runtime().clone(),
            region: aws.region().to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// A key as the bucket has it.
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What is below a key, page by page, each asked for when it is taken; folded to folders where
    /// `delimiter` ends them.
    fn pages<'a>(
        &'a self,
        prefix: &str,
        delimiter: Option<&str>,
    ) -> impl Iterator<Item = Result<ListObjectsV2Output, StoreError>> + Send + use<'a> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key(prefix));
        let mut pages = list.set_delimiter(delimiter.map(str::to_owned)).into_paginator().send();
        let prefix = prefix.to_owned();
        iter::from_fn(move || {
            let page = self.runtime.block_on(pages.next())?;
            Some(page.map_err(|error| self.failed("list", &prefix, &error)))
        })
    }

    /// The objects of a page. What consoles put under a key that ends with a slash, to show a folder, is
    /// none.
    fn objects(&self, page: &ListObjectsV2Output) -> Vec<Object> {
        let object = |object: &aws_sdk_s3::types::Object| {
            let key = object.key()?.strip_prefix(&self.prefix)?;
            let bytes = object.size().unwrap_or_default().try_into().unwrap_or_default();
            (!key.is_empty() && !key.ends_with('/')).then(|| Object { key: key.to_owned(), bytes })
        };
        page.contents().iter().filter_map(object).collect()
    }
}

impl Store for S3 {
    fn check(&self) -> Result<(), StoreError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        let listed = self.runtime.block_on(list.max_keys(1).send());
        listed.map(drop).map_err(|error| self.failed("list", "", &error))
    }

    fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        for page in self.pages(folder, Some("/")) {
            let page = page?;
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
        Box::new(self.pages(prefix, None).flat_map(|page| match page {
            Ok(page) => self.objects(&page).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }))
    }

    fn read(&self, object: &Object, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        if from >= object.bytes {
            return Ok(Box::new(io::empty()));
        }
        Ok(Box::new(Ranges::new(self.clone(), object.key.clone(), from)))
    }

    fn put(&self, key: &str, form: Form, write: Write<'_>) -> Result<Put, StoreError> {
        let mut bytes = Vec::new();
        let failed = |reason| StoreError { action: "write", name: self.name(key), reason };
        write(&mut bytes).map_err(failed)?;
        let bytes = Bytes::from(bytes);
        match self.runtime.block_on(self.put_if(key, form, &bytes))? {
            Outcome::Done => Ok(Put::Done),
            Outcome::Newer => Ok(Put::Kept),
            Outcome::There => {
                let there = Ranges::new(self.clone(), key.to_owned(), 0);
                let is_same = Compared::is_same(there, &mut |there| there.write_all(&bytes));
                let failed =
                    |reason| StoreError { action: "compare", name: self.name(key), reason };
                Ok(if is_same.map_err(failed)? { Put::Done } else { Put::Kept })
            }
        }
    }

    fn remove(&self, key: &str, version: u64) -> Result<Put, StoreError> {
        match self.runtime.block_on(self.remove_if(key, version))? {
            Outcome::Done => Ok(Put::Done),
            Outcome::There | Outcome::Newer => Ok(Put::Kept),
        }
    }

    fn name(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }
}
