//! The bucket: its client, its name, and the prefix of its keys.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use tokio::runtime::Handle;

use crate::aws::Aws;

/// The objects of a bucket whose keys begin with a prefix. Clones share connections.
#[derive(Clone, Debug)]
pub struct S3 {
    pub(super) client: Client,
    pub(super) runtime: Handle,
    pub(super) region: String,
    pub(super) bucket: String,
    pub(super) prefix: String,
}

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
}
