//! Servers that speak Kinesis and S3, each on its own port of loopback, and what tests ask them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Record, Shard, ShardIteratorType, StreamStatus,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::runtime::Runtime;
use velodrome::aws::Aws;
use velodrome::store;

use crate::serving::wait_for;

/// How many shards a server may have.
const SHARDS_MAX: usize = 500;

/// What every client is told: credentials that these servers take, and no way to the machine's own.
const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// The file or directory of a package that `scripts/test` installs.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(path);
    assert!(path.exists(), "no '{}': scripts/test installs it", path.display());
    path
}

/// A running server, which ends with this.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts `command`, which tells its address on a line of `told`.
    fn start(mut command: Command, told: impl Fn(&mut Child) -> Box<dyn BufRead + Send>) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let mut lines = told(&mut child).lines().map_while(Result::ok);
        let address = |line: String| {
            let word = line.split_whitespace().find(|word| word.starts_with("http://127."))?;
            Some(word.to_owned())
        };
        let url = lines.find_map(address).unwrap();
        // A server whose pipe is full would stop.
        thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A server that speaks Kinesis, in memory.
pub(crate) struct Kinesis {
    server: Server,
    runtime: Runtime,
    client: aws_sdk_kinesis::Client,
}

impl Kinesis {
    pub(crate) fn start() -> Self {
        Self::start_as("kinesalite")
    }

    /// Another one, which knows more of shards and is slow: for some 2,000 records a stream.
    pub(crate) fn start_slow() -> Self {
        Self::start_as("kinesis-local")
    }

    fn start_as(package: &str) -> Self {
        let script = format!("tests/it/{package}.cjs");
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script));
        command.arg(installed(&format!("node/node_modules/{package}")));
        command.env("SHARD_LIMIT", SHARDS_MAX.to_string()).stdout(Stdio::piped());
        let server =
            Server::start(command, |child| Box::new(BufReader::new(child.stdout.take().unwrap())));
        let (runtime, config) = client(&server.url);
        let client = aws_sdk_kinesis::Client::new(&config);
        Self { server, runtime, client }
    }

    /// What a command is told to reach it.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        CREDENTIALS.into_iter().chain([("AWS_ENDPOINT_URL_KINESIS", &self.server.url[..])])
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// The records of each shard, open and closed, in order: key and data.
    pub(crate) fn records(&self, stream: &str) -> Vec<Vec<(String, Vec<u8>)>> {
        let shards = self.shards(stream).into_iter();
        shards.map(|shard| self.runtime.block_on(self.read(stream, &shard))).collect()
    }

    /// What is in a shard by now.
    async fn read(&self, stream: &str, shard: &Shard) -> Vec<(String, Vec<u8>)> {
        let from = self.client.get_shard_iterator().stream_name(stream).shard_id(&shard.shard_id);
        let from = from.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let (mut next, mut records) = (from.shard_iterator, Vec::new());
        while let Some(from) = next {
            let answer = self.client.get_records().shard_iterator(from).send().await.unwrap();
            let is_end = answer.records.is_empty() && answer.millis_behind_latest == Some(0);
            let record = |record: Record| (record.partition_key.unwrap(), record.data.into_inner());
            records.extend(answer.records.into_iter().map(record));
            next = answer.next_shard_iterator.filter(|_| !is_end);
        }
        records
    }

    /// Puts records, each with its key, at most 500.
    pub(crate) fn put(&self, stream: &str, records: impl IntoIterator<Item = (String, String)>) {
        let entry = |(key, data): (String, String)| {
            let entry = PutRecordsRequestEntry::builder().partition_key(key);
            entry.data(data.into_bytes().into()).build().unwrap()
        };
        let put = self.client.put_records().stream_name(stream);
        let put = put.set_records(Some(records.into_iter().map(entry).collect()));
        let answer = self.runtime.block_on(put.send()).unwrap();
        assert_eq!(answer.failed_record_count, Some(0));
    }

    /// Deletes a stream, and waits until it is gone.
    pub(crate) fn delete(&self, stream: &str) {
        let delete = self.client.delete_stream().stream_name(stream);
        self.runtime.block_on(delete.send()).unwrap();
        let describe = self.client.describe_stream_summary().stream_name(stream);
        wait_for("the stream is gone", || self.runtime.block_on(describe.clone().send()).is_err());
    }

    /// Makes a stream, and waits until it is active.
    pub(crate) fn create(&self, stream: &str, shards: i32) {
        let create = self.client.create_stream().stream_name(stream).shard_count(shards);
        self.runtime.block_on(create.send()).unwrap();
        self.wait_until_active(stream);
    }

    fn wait_until_active(&self, stream: &str) {
        let describe = self.client.describe_stream_summary().stream_name(stream);
        wait_for("the stream is active", || {
            let answer = self.runtime.block_on(describe.clone().send()).unwrap();
            let summary = answer.stream_description_summary.unwrap();
            summary.stream_status == StreamStatus::Active
        });
    }

    /// All shards, open and closed.
    pub(crate) fn shards(&self, stream: &str) -> Vec<Shard> {
        let list = self.client.list_shards().stream_name(stream);
        self.runtime.block_on(list.send()).unwrap().shards.unwrap()
    }

    /// The shards that take records, in the order of their keys.
    pub(crate) fn open_shards(&self, stream: &str) -> Vec<Shard> {
        let mut shards = self.shards(stream);
        let is_open = |shard: &Shard| {
            shard.sequence_number_range.as_ref().unwrap().ending_sequence_number.is_none()
        };
        shards.retain(is_open);
        shards.sort_by_key(start);
        shards
    }

    /// Splits a shard in the middle of its keys.
    pub(crate) fn split(&self, stream: &str, shard: &Shard) {
        let range = shard.hash_key_range.as_ref().unwrap();
        let end: u128 = range.ending_hash_key.parse().unwrap();
        let middle = start(shard) / 2 + end / 2;
        let split = self.client.split_shard().stream_name(stream).shard_to_split(&shard.shard_id);
        let split = split.new_starting_hash_key(middle.to_string());
        self.runtime.block_on(split.send()).unwrap();
        self.wait_until_active(stream);
    }

    /// Merges two shards that are neighbours.
    pub(crate) fn merge(&self, stream: &str, shard: &Shard, next: &Shard) {
        let merge = self.client.merge_shards().stream_name(stream).shard_to_merge(&shard.shard_id);
        let merge = merge.adjacent_shard_to_merge(&next.shard_id);
        self.runtime.block_on(merge.send()).unwrap();
        self.wait_until_active(stream);
    }
}

/// The first key of a shard.
fn start(shard: &Shard) -> u128 {
    shard.hash_key_range.as_ref().unwrap().starting_hash_key.parse().unwrap()
}

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

    /// What a command is told to reach it.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        CREDENTIALS.into_iter().chain([("AWS_ENDPOINT_URL_S3", &self.server.url[..])])
    }

    /// Makes a bucket.
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

    /// What is told of an object beside its bytes: its media type and its version, where it has one.
    pub(crate) fn told(&self, bucket: &str, key: &str) -> (String, Option<String>) {
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

    /// Takes a bucket away with all that is in it.
    pub(crate) fn delete(&self, bucket: &str) {
        for key in self.keys(bucket, "") {
            let delete = self.client.delete_object().bucket(bucket).key(key);
            self.runtime.block_on(delete.send()).unwrap();
        }
        self.runtime.block_on(self.client.delete_bucket().bucket(bucket).send()).unwrap();
    }

    /// A bucket as the service sees it, at `url` in the place of the server's own.
    pub(crate) fn store(&self, url: Option<&str>, bucket: &str, prefix: &str) -> store::S3 {
        let config = config(url.unwrap_or(&self.server.url));
        store::S3::new(&Aws::new(config, self.runtime.handle()), bucket, prefix)
    }

    /// Where it is, without a scheme.
    pub(crate) fn address(&self) -> &str {
        self.server.url.trim_start_matches("http://").trim_end_matches('/')
    }
}

/// The tests' own way to a server.
fn client(url: &str) -> (Runtime, SdkConfig) {
    (Runtime::new().unwrap(), config(url))
}

fn config(url: &str) -> SdkConfig {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().tls_provider(tls).build_https())
        .endpoint_url(url);
    config.build()
}

#[test]
fn the_servers_answer() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 2);
    let [first, second] = &kinesis.open_shards("races")[..] else { panic!("two shards") };
    kinesis.split("races", first);
    let open = kinesis.open_shards("races");
    assert_eq!(open.len(), 3);
    kinesis.merge("races", &open[1], second);
    assert_eq!((kinesis.open_shards("races").len(), kinesis.shards("races").len()), (2, 5));
    let s3 = S3::start();
    s3.create("velodrome");
    s3.put("velodrome", "a/b", b"x".to_vec());
    assert_eq!(s3.keys("velodrome", "a/"), ["a/b"]);
    assert_eq!(s3.get("velodrome", "a/b"), b"x");
    assert_eq!(s3.environment().chain(kinesis.environment()).count(), 10);
}
