//! The bucket: its client, its name, and the prefix of its keys.

use std::iter;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use tokio::runtime::Handle;

use crate::aws::Aws;
use crate::store::interface::Object;

/// The objects of a bucket whose keys begin with a prefix. Clones share connections.
#[derive(Clone, Debug)]
pub struct S3 {
    pub(super) client: Client,
    pub(super) runtime: Handle,
    pub(super) region: String,
    pub(super) bucket: String,
    pub(super) prefix: String,
}

/// A page of a listing.
pub(super) type Page = Result<ListObjectsV2Output, SdkError<ListObjectsV2Error>>;

impl S3 {
    /// The objects of `bucket` whose keys begin with `prefix`, which is empty or ends with a slash.
    pub fn new(aws: &Aws, bucket: &str, prefix: &str) -> Self {
        // Only AWS resolves host names of the form bucket.host, so other endpoints get the bucket in the
        // path.
        let config = Builder::from(aws.config()).force_path_style(aws.has_endpoint("S3"));
        Self {
            client: Client::from_conf(config.build()),
            runtime: aws.runtime().clone(),
            region: aws.region().to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// The full key in the bucket.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Lists the keys that begin with `prefix`, lazily, page by page. With a `delimiter`, keys that
    /// continue after it are folded into folders.
    pub(super) fn pages<'a>(
        &'a self,
        prefix: &str,
        delimiter: Option<&str>,
    ) -> impl Iterator<Item = Page> + Send + use<'a> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key(prefix));
        let mut pages = list.set_delimiter(delimiter.map(str::to_owned)).into_paginator().send();
        iter::from_fn(move || self.runtime.block_on(pages.next()))
    }

    /// The objects of a page. A key that ends with a slash is not an object: consoles create such keys
    /// to show folders.
    pub(super) fn objects(&self, page: &ListObjectsV2Output) -> Vec<Object> {
        let object = |object: &aws_sdk_s3::types::Object| {
            let key = object.key()?.strip_prefix(&self.prefix)?;
            let bytes = object.size().unwrap_or_default().try_into().unwrap_or_default();
            (!key.is_empty() && !key.ends_with('/')).then(|| Object { key: key.to_owned(), bytes })
        };
        page.contents().iter().filter_map(object).collect()
    }
}
