//! The fetch of one range of an object, from the expected version only.

use std::io;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::bucket::S3;
use super::error::status;
use super::listing::unquoted;
use crate::aws::backoff;

/// The maximum number of times that the body of a range may break off before the read fails. The SDK
/// retries only calls that fail before their body begins.
const BREAKS_MAX: u32 = 8;

/// The first wait after a body broke off.
const WAIT: Duration = Duration::from_millis(100);

/// The version of an object, so that all ranges come from the same one.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// The ETag, without quotes; none if the store has none.
    pub(super) etag: Option<String>,
    /// The object's size.
    pub(super) bytes: u64,
}

impl Version {
    /// The version that a response is from.
    pub(super) fn of(response: &GetObjectOutput) -> io::Result<Self> {
        let total = response.content_range().and_then(|range| range.rsplit('/').next());
        let bytes = total.and_then(|total| total.parse().ok()).ok_or_else(|| {
            io::Error::other("the response does not include the size of the object")
        })?;
        Ok(Self { etag: response.e_tag().map(unquoted), bytes })
    }

    /// Whether a response from the version `found` may be from this one. Some stores ignore `If-Match`,
    /// so the responses are compared too.
    fn matches(&self, found: &Self) -> bool {
        self.bytes == found.bytes && (self.etag.is_none() || self.etag == found.etag)
    }
}

/// What a range's fetch sends to the reader, in order.
pub(super) enum Chunk {
    /// The version that the range is from.
    Version(Version),
    Bytes(Bytes),
}

pub(super) type ChunkResult = io::Result<Chunk>;

/// The fetch of one range, a task of its own.
pub(super) struct RangeFetch {
    pub(super) store: S3,
    pub(super) key: String,
    /// The expected version; none if any is.
    pub(super) version: Option<Version>,
    /// The offset of the next byte to receive.
    pub(super) at: u64,
    /// The offset of the end of the range, which may be after the end of the object.
    pub(super) until: u64,
    pub(super) sender: UnboundedSender<ChunkResult>,
}

impl RangeFetch {
    /// Fetches the complete range, or sends the error that prevents it.
    pub(super) async fn run(mut self) {
        let mut breaks = 0;
        loop {
            let broken = match self.fetch_rest().await {
                Ok(None) => return,
                Ok(Some(broken)) => broken,
                Err(error) => return self.send(Err(error)),
            };
            breaks += 1;
            if breaks == BREAKS_MAX {
                let reason = format!(
                    "the response broke off {breaks} times, most recently at byte {}: {broken}",
                    self.at
                );
                return self.send(Err(io::Error::other(reason)));
            }
            sleep(backoff(WAIT, breaks - 1)).await;
        }
    }

    /// Requests the rest of the range; returns why the body broke off, if it did.
    async fn fetch_rest(&mut self) -> io::Result<Option<String>> {
        let S3 { client, bucket, .. } = &self.store;
        let get = client.get_object().bucket(bucket).key(self.store.key(&self.key));
        let get = get.range(format!("bytes={}-{}", self.at, self.until - 1));
        let etag = self.version.as_ref().and_then(|version| version.etag.as_ref());
        let get = get.set_if_match(etag.map(|etag| format!("\"{etag}\"")));
        let response = self.store.report_silence("read", &self.key, get.send()).await;
        let response = match response {
            Ok(response) => response,
            Err(error) => match status(&error) {
                // An empty object has no ranges.
                Some(416) if self.version.is_none() => return Ok(None),
                // 416: the object has become too short.
                Some(412 | 416) => return Err(replaced()),
                _ => return Err(self.store.reason("read", &error)),
            },
        };
        let version = Version::of(&response)?;
        if !self.version.as_ref().is_none_or(|expected| expected.matches(&version)) {
            return Err(replaced());
        }
        self.send(Ok(Chunk::Version(version.clone())));
        self.version = Some(version.clone());
        let (mut body, end) = (response.body, self.until.min(version.bytes));
        while self.at < end {
            match body.try_next().await {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.send(Ok(Chunk::Bytes(bytes)));
                }
                Ok(None) => return Ok(Some("the response is too short".to_owned())),
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        Ok(None)
    }

    /// Sends to the reader. After the reader is dropped this does nothing, and the task is aborted.
    fn send(&self, chunk: ChunkResult) {
        self.sender.send(chunk).unwrap_or_default();
    }
}

/// The error of a read whose object was overwritten.
fn replaced() -> io::Error {
    let reason = "the object was replaced after it was listed; run the command again";
    io::Error::new(io::ErrorKind::StaleNetworkFileHandle, reason)
}
