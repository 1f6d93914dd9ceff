//! Splits the aggregated records of the Kinesis Producer Library (KPL) into user records.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

/// The first bytes of an aggregated record (KPL, "aggregation-format.md").
pub(super) const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// The length of the MD5 digest that ends an aggregated record. It covers the bytes between [`MAGIC`]
/// and the digest.
const DIGEST_BYTES: usize = 16;

/// The protobuf message `AggregatedRecord`, without its key tables, which only determine the shard.
#[derive(Message)]
pub(super) struct Aggregated {
    #[prost(message, repeated, tag = "3")]
    pub(super) records: Vec<Record>,
}

/// The protobuf message `Record`, without its keys and tags.
#[derive(Message)]
pub(super) struct Record {
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) data: Bytes,
}

/// The data of the user records in `data`, in order, without copying. A record that is not aggregated,
/// or is damaged, is returned unchanged.
///
/// In the worst case, a record of only empty user records, the list of user records uses 16 bytes of
/// memory per byte of `data`, and 32 while it grows.
pub fn records(data: &Bytes) -> impl Iterator<Item = Bytes> + use<> {
    let (plain, records) = match aggregated(data) {
        Some(Aggregated { records }) => (None, records),
        None => (Some(data.clone()), Vec::new()),
    };
    plain.into_iter().chain(records.into_iter().map(|record| record.data))
}

fn aggregated(data: &Bytes) -> Option<Aggregated> {
    let begin = data.starts_with(&MAGIC).then_some(MAGIC.len())?;
    let end = data.len().checked_sub(DIGEST_BYTES).filter(|&end| begin <= end)?;
    let message = data.slice(begin..end);
    let is_intact = data.get(end..) == Some(Md5::digest(&message).as_slice());
    // Decoding from `Bytes` shares its memory with the `Bytes` fields.
    is_intact.then(|| Aggregated::decode(message).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The complete message of the KPL's "messages.proto".
    #[derive(Message)]
    struct FullAggregated {
        #[prost(string, repeated, tag = "1")]
        partition_key_table: Vec<String>,
        #[prost(string, repeated, tag = "2")]
        explicit_hash_key_table: Vec<String>,
        #[prost(message, repeated, tag = "3")]
        records: Vec<FullRecord>,
    }

    #[derive(Message)]
    struct FullRecord {
        #[prost(uint64, required, tag = "1")]
        partition_key_index: u64,
        #[prost(uint64, optional, tag = "2")]
        explicit_hash_key_index: Option<u64>,
        #[prost(bytes = "vec", required, tag = "3")]
        data: Vec<u8>,
        #[prost(message, repeated, tag = "4")]
        tags: Vec<Tag>,
    }

    #[derive(Clone, Message)]
    struct Tag {
        #[prost(string, required, tag = "1")]
        key: String,
        #[prost(string, optional, tag = "2")]
        value: Option<String>,
    }

    fn sealed(message: &[u8]) -> Bytes {
        [&MAGIC[..], message, Md5::digest(message).as_slice()].concat().into()
    }

    fn aggregate(records: &[Vec<u8>]) -> Bytes {
        let record = |(index, data): (usize, &Vec<u8>)| FullRecord {
            partition_key_index: index as u64 % 2,
            explicit_hash_key_index: (index % 3 == 0).then_some(0),
            data: data.clone(),
            tags: vec![Tag { key: "k".to_owned(), value: None }; index % 2],
        };
        let all = FullAggregated {
            partition_key_table: vec!["103".to_owned(), "104".to_owned()],
            explicit_hash_key_table: vec!["0".to_owned()],
            records: records.iter().enumerate().map(record).collect(),
        };
        sealed(&all.encode_to_vec())
    }

    fn split(data: &Bytes) -> Vec<Bytes> {
        records(data).collect()
    }

    #[test]
    fn splits_an_aggregated_record() {
        // The key table has one key, "k". The records are "abc" and "". The digest is from md5sum.
        let message = b"\x0a\x01k\x1a\x07\x08\x00\x1a\x03abc\x1a\x04\x08\x00\x1a\x00";
        let digest = 0x3ecd_a80c_a623_e538_b201_aac8_2b00_b326_u128.to_be_bytes();
        let data = Bytes::from([&MAGIC[..], message, &digest].concat());
        assert_eq!(split(&data), [&b"abc"[..], b""]);
        // The data is shared, not copied.
        let abc = split(&data)[0].as_ptr_range();
        assert!(data.as_ptr_range().contains(&abc.start));
    }

    #[test]
    fn plain_and_damaged_records_are_unchanged() {
        let intact = aggregate(&[b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(split(&intact).len(), 2);
        for at in 0..intact.len() {
            let mut damaged = intact.to_vec();
            damaged[at] ^= 1;
            for plain in [Bytes::from(damaged), intact.slice(..at), intact.slice(at + 1..)] {
                assert_eq!(split(&plain), [plain]);
            }
        }
        // An intact digest around an invalid message that ends within a field.
        for plain in [sealed(b"\x1a\x07\x08\x00\x1a\x09abc"), Bytes::from_static(b"{}\n")] {
            assert_eq!(split(&plain), [plain]);
        }
        assert!(split(&sealed(b"")).is_empty());
    }

    proptest! {
        #[test]
        fn splitting_inverts_aggregation(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
        ) {
            prop_assert_eq!(split(&aggregate(&records)), records);
        }

        #[test]
        fn never_panics(message in prop::collection::vec(any::<u8>(), 0..200)) {
            // Messages that begin with a record field are decoded further.
            let named = [b"\x1a", &message[..]].concat();
            for data in [sealed(&message), sealed(&named), message.into()] {
                prop_assert!(records(&data).map(|record| record.len()).sum::<usize>() <= data.len());
            }
        }
    }
}
