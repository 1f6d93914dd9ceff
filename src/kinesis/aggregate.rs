//! Records that the Kinesis Producer Library put together into one, taken apart.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

/// What an aggregated record begins with (KPL, "aggregation-format.md").
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// And what it ends with: the MD5 of all between.
const DIGEST_BYTES: usize = 16;

/// `AggregatedRecord` without its tables of keys, which tell only what shard a record went to.
#[derive(Message)]
struct Aggregated {
    #[prost(message, repeated, tag = "3")]
    records: Vec<Record>,
}

/// `Record` without its keys and tags.
#[derive(Message)]
struct Record {
    #[prost(bytes = "bytes", tag = "3")]
    data: Bytes,
}

/// The data of the records in the record `data`, in order, and shared with it: of one that is not aggregated,
/// or is damaged, itself.
///
/// Takes 16 bytes of memory a byte of `data`, 32 while it grows, where all records in it are empty.
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
    let is_whole = data.get(end..) == Some(Md5::digest(&message).as_slice());
    // Decoded from `Bytes`, fields of `Bytes` are shared with it.
    is_whole.then(|| Aggregated::decode(message).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The whole message, as "messages.proto" of the KPL has it.
    #[derive(Message)]
    struct AllOfAggregated {
        #[prost(string, repeated, tag = "1")]
        partition_key_table: Vec<String>,
        #[prost(string, repeated, tag = "2")]
        explicit_hash_key_table: Vec<String>,
        #[prost(message, repeated, tag = "3")]
        records: Vec<AllOfRecord>,
    }

    #[derive(Message)]
    struct AllOfRecord {
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
        let record = |(index, data): (usize, &Vec<u8>)| AllOfRecord {
            partition_key_index: index as u64 % 2,
            explicit_hash_key_index: (index % 3 == 0).then_some(0),
            data: data.clone(),
            tags: vec![Tag { key: "k".to_owned(), value: None }; index % 2],
        };
        let all = AllOfAggregated {
            partition_key_table: vec!["103".to_owned(), "104".to_owned()],
            explicit_hash_key_table: vec!["0".to_owned()],
            records: records.iter().enumerate().map(record).collect(),
        };
        sealed(&all.encode_to_vec())
    }

    fn taken_apart(data: &Bytes) -> Vec<Bytes> {
        records(data).collect()
    }

    #[test]
    fn an_aggregated_record_is_taken_apart_as_its_bytes_say() {
        // One key "k"; records "abc" and "" of it. The digest is md5sum's.
        let message = b"\x0a\x01k\x1a\x07\x08\x00\x1a\x03abc\x1a\x04\x08\x00\x1a\x00";
        let digest = 0x3ecd_a80c_a623_e538_b201_aac8_2b00_b326_u128.to_be_bytes();
        let data = Bytes::from([&MAGIC[..], message, &digest].concat());
        assert_eq!(taken_apart(&data), [&b"abc"[..], b""]);
        // Without a copy.
        let abc = taken_apart(&data)[0].as_ptr_range();
        assert!(data.as_ptr_range().contains(&abc.start));
    }

    #[test]
    fn what_is_plain_or_damaged_passes_as_it_is() {
        let whole = aggregate(&[b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(taken_apart(&whole).len(), 2);
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 1;
            for plain in [Bytes::from(damaged), whole.slice(..at), whole.slice(at + 1..)] {
                assert_eq!(taken_apart(&plain), [plain]);
            }
        }
        // Whole, but no such message: it ends within a field.
        for plain in [sealed(b"\x1a\x07\x08\x00\x1a\x09abc"), Bytes::from_static(b"{}\n")] {
            assert_eq!(taken_apart(&plain), [plain]);
        }
        assert!(taken_apart(&sealed(b"")).is_empty());
    }

    proptest! {
        #[test]
        fn what_was_aggregated_comes_back(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50),
        ) {
            prop_assert_eq!(taken_apart(&aggregate(&records)), records);
        }

        #[test]
        fn no_bytes_panic(message in prop::collection::vec(any::<u8>(), 0..200)) {
            // Those that name records are decoded far enough to be of use.
            let named = [b"\x1a", &message[..]].concat();
            for data in [sealed(&message), sealed(&named), message.into()] {
                prop_assert!(records(&data).map(|record| record.len()).sum::<usize>() <= data.len());
            }
        }
    }
}
