//! An S3 server, in memory.

use std::io::BufReader;
use std::process::{Command, Stdio};

use tokio::runtime::Runtime;
use velodrome::aws::Aws;
use velodrome::store;

use super::{CREDENTIALS, Server, client, config, installed};

/// A server that speaks S3, in memory.
pub(crate) struct S3 {
    server: Server,
    runtime: Runtime,
    client: aws_sdk_s3::Client,
}

impl S3 {
    pub(crate) fn start() -> Self {
        let moto = installed("moto-5.2.5/bin/moto_server");
        let mut command = Command::new(moto);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let server =
            Server::start(command, |child| Box::new(BufReader::new(child.stderr.take().unwrap())));
        let (runtime, config) = client(&server.url);
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        let client = aws_sdk_s3::Client::from_conf(config.build());
        Self { server, runtime, client }
    }

    /// The environment of a command that uses this server.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        CREDENTIALS.into_iter().chain([("AWS_ENDPOINT_URL_S3", &self.server.url[..])])
    }

    /// Creates a bucket.
    pub(crate) fn create(&self, bucket: &str) {
        self.runtime.block_on(self.client.create_bucket().bucket(bucket).send()).unwrap();
    }

    /// The keys of a bucket that begin with `prefix`, in order.
    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
        let pages = list.into_paginator().send().collect::<Result<Vec<_>, _>>();
        let pages = self.runtime.block_on(pages).unwrap();
        let objects = pages.into_iter().flat_map(|page| page.contents.unwrap_or_default());
        objects.map(|object| object.key.unwrap()).collect()
    }

    /// The bytes of an object.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.runtime.block_on(async {
            let object = self.client.get_object().bucket(bucket).key(key).send().await.unwrap();
            object.body.collect().await.unwrap().to_vec()
        })
    }

    /// Puts an object.
    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) {
        let put = self.client.put_object().bucket(bucket).key(key).body(bytes.into());
        self.runtime.block_on(put.send()).unwrap();
    }

    /// The media type of an object, and its version if it has one.
    pub(crate) fn metadata(&self, bucket: &str, key: &str) -> (String, Option<String>) {
        let head = self.client.head_object().bucket(bucket).key(key).send();
        let head = self.runtime.block_on(head).unwrap();
        let version = head.metadata().and_then(|metadata| metadata.get("velodrome-version"));
        (head.content_type().unwrap().to_owned(), version.cloned())
    }

    /// Whether everybody may read an object.
    pub(crate) fn is_public(&self, bucket: &str, key: &str) -> bool {
        let acl = self.client.get_object_acl().bucket(bucket).key(key).send();
        let acl = self.runtime.block_on(acl).unwrap();
        let everybody = "http://acs.amazonaws.com/groups/global/AllUsers";
        let mut grantees = acl.grants().iter().filter_map(|grant| grant.grantee());
        grantees.any(|grantee| grantee.uri() == Some(everybody))
    }

    /// Deletes a bucket and its objects.
    pub(crate) fn delete(&self, bucket: &str) {
        for key in self.keys(bucket, "") {
            let delete = self.client.delete_object().bucket(bucket).key(key);
            self.runtime.block_on(delete.send()).unwrap();
        }
        self.runtime.block_on(self.client.delete_bucket().bucket(bucket).send()).unwrap();
    }

    /// The store that the service uses for a bucket, at `url` or else at the server's own URL.
    pub(crate) fn store(&self, url: Option<&str>, bucket: &str, prefix: &str) -> store::S3 {
        let config = config(url.unwrap_or(&self.server.url));
        store::S3::new(&Aws::new(config, self.runtime.handle()), bucket, prefix)
    }

    /// Its address, without a scheme.
    pub(crate) fn address(&self) -> &str {
        self.server.url.trim_start_matches("http://").trim_end_matches('/')
    }
}
