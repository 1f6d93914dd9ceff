//! Calls for a stream: its description, its shards, and the messages of errors.

use serde_json::{Value, json};

use super::super::shard_reader::ShardReader;
use super::super::start::Start;
use super::super::stream::Stream;
use super::super::stream_error::StreamError;
use super::fake::{Fake, error, stream};
use crate::log::Clock;

/// The time on the wall clock.
const NOW_MS: u64 = 1_620_240_001_000;

fn reader(stream: Stream) -> ShardReader {
    let (clock, _) = Clock::manual(NOW_MS);
    ShardReader::new(stream, "shardId-000000000000".to_owned(), Start::TrimHorizon, clock)
}

#[tokio::test]
async fn errors_are_one_line_with_stream_and_region() {
    for (code, expected) in [
        (
            "ResourceNotFoundException",
            "no such stream 'races' in region 'us-east-1': ResourceNotFoundException: why; create it, or \
             set AWS_REGION to its region",
        ),
        (
            "AccessDeniedException",
            "no permission for kinesis:GetShardIterator on stream 'races' in region 'us-east-1': \
             AccessDeniedException: why; allow it, or use other credentials",
        ),
        (
            "InvalidSignatureException",
            "no permission for kinesis:GetShardIterator on stream 'races' in region 'us-east-1': \
             InvalidSignatureException: why; allow it, or use other credentials",
        ),
        (
            "KMSDisabledException",
            "kinesis:GetShardIterator cannot use the KMS key of stream 'races' in region 'us-east-1': \
             KMSDisabledException: why; enable the key, and allow kms:Decrypt to read and \
             kms:GenerateDataKey to write",
        ),
        (
            "InvalidArgumentException",
            "kinesis:GetShardIterator on stream 'races' in region 'us-east-1' failed: \
             InvalidArgumentException: why",
        ),
    ] {
        let (_, stream) = Fake::start(move |_, _, _| error(code, "why")).await;
        let error = reader(stream).next().await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let message = "Signature expired: 20210505T184000Z is now earlier than 20210505T190000Z.";
    let (_, skewed) = Fake::start(move |_, _, _| error("InvalidSignatureException", message)).await;
    let skewed = reader(skewed).next().await.unwrap_err();
    assert!(matches!(skewed, StreamError::ClockSkew { .. }), "{skewed:?}");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut reader = reader(stream(&format!("http://{unused}")));
    let message = reader.next().await.unwrap_err().to_string();
    let expected = "cannot reach Kinesis for stream 'races' in region 'us-east-1': no connection: ";
    assert!(message.starts_with(expected), "{message}");
}

#[tokio::test]
async fn describes_a_stream_and_lists_its_shards_over_several_pages() {
    let (_, stream) = Fake::start(|name, body, number| match (name, number) {
        ("DescribeStreamSummary", _) => {
            let summary = json!({
                "StreamName": "races", "StreamARN": "arn", "StreamStatus": "ACTIVE",
                "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1_620_240_001.5,
                "EnhancedMonitoring": [], "OpenShardCount": 2,
            });
            (200, json!({ "StreamDescriptionSummary": summary }))
        }
        (_, 0) => {
            assert_eq!(body["StreamName"], "races");
            let ended = json!({ "StartingSequenceNumber": "0", "EndingSequenceNumber": "9" });
            let keys = json!({ "StartingHashKey": "0", "EndingHashKey": "9" });
            let shard =
                json!({ "ShardId": "b", "HashKeyRange": keys, "SequenceNumberRange": ended });
            (200, json!({ "Shards": [shard], "NextToken": "more" }))
        }
        _ => {
            assert_eq!((&body["StreamName"], &body["NextToken"]), (&Value::Null, &json!("more")));
            let open = json!({ "StartingSequenceNumber": "0" });
            let keys = json!({ "StartingHashKey": "0", "EndingHashKey": "9" });
            let shard = json!({
                "ShardId": "a", "ParentShardId": "b", "AdjacentParentShardId": "c",
                "HashKeyRange": keys, "SequenceNumberRange": open,
            });
            (200, json!({ "Shards": [shard] }))
        }
    })
    .await;
    let summary = stream.describe().await.unwrap();
    assert_eq!(
        (summary.created_ms, summary.retention_ms, summary.open_shards),
        (1_620_240_001_500, 86_400_000, 2)
    );
    let shards = stream.shards().await.unwrap();
    let shards: Vec<_> = shards.iter().map(|s| (&s.id[..], s.parents.len(), s.is_open)).collect();
    assert_eq!(shards, [("a", 2, true), ("b", 0, false)]);
}
