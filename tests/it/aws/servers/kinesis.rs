//! A Kinesis server, in memory.

use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Record, Shard, ShardIteratorType, StreamStatus,
};
use tokio::runtime::Runtime;

use super::{CREDENTIALS, Server, client, installed};
use crate::serving::wait_for;

/// The maximum number of shards of a server.
const SHARDS_MAX: usize = 500;

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

    /// Starts another implementation, which is more exact about shards, but slow: it handles up to
    /// about 2,000 records per stream.
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

    /// The environment of a command that uses this server.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        CREDENTIALS.into_iter().chain([("AWS_ENDPOINT_URL_KINESIS", &self.server.url[..])])
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    /// Key and data of the records of each shard, open or closed, in order.
    pub(crate) fn records(&self, stream: &str) -> Vec<Vec<(String, Vec<u8>)>> {
        let shards = self.shards(stream).into_iter();
        shards.map(|shard| self.runtime.block_on(self.read(stream, &shard))).collect()
    }

    /// The records of a shard.
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

    /// Puts records with their keys, at most 500.
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

    /// Deletes a stream, and waits until it is removed.
    pub(crate) fn delete(&self, stream: &str) {
        let delete = self.client.delete_stream().stream_name(stream);
        self.runtime.block_on(delete.send()).unwrap();
        let describe = self.client.describe_stream_summary().stream_name(stream);
        wait_for("the stream is removed", || {
            self.runtime.block_on(describe.clone().send()).is_err()
        });
    }

    /// Creates a stream, and waits until it is active.
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

    /// The open shards, in the order of their hash keys.
    pub(crate) fn open_shards(&self, stream: &str) -> Vec<Shard> {
        let mut shards = self.shards(stream);
        let is_open = |shard: &Shard| {
            shard.sequence_number_range.as_ref().unwrap().ending_sequence_number.is_none()
        };
        shards.retain(is_open);
        shards.sort_by_key(start);
        shards
    }

    /// Splits a shard in the middle of its hash keys.
    pub(crate) fn split(&self, stream: &str, shard: &Shard) {
        let range = shard.hash_key_range.as_ref().unwrap();
        let end: u128 = range.ending_hash_key.parse().unwrap();
        let middle = start(shard) / 2 + end / 2;
        let split = self.client.split_shard().stream_name(stream).shard_to_split(&shard.shard_id);
        let split = split.new_starting_hash_key(middle.to_string());
        self.runtime.block_on(split.send()).unwrap();
        self.wait_until_active(stream);
    }

    /// Merges two adjacent shards.
    pub(crate) fn merge(&self, stream: &str, shard: &Shard, next: &Shard) {
        let merge = self.client.merge_shards().stream_name(stream).shard_to_merge(&shard.shard_id);
        let merge = merge.adjacent_shard_to_merge(&next.shard_id);
        self.runtime.block_on(merge.send()).unwrap();
        self.wait_until_active(stream);
    }
}

/// The first hash key of a shard.
fn start(shard: &Shard) -> u128 {
    shard.hash_key_range.as_ref().unwrap().starting_hash_key.parse().unwrap()
}
