//! Fuzz targets of Kinesis: names and starts, and with AWS records and positions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use super::name::StreamName;
use super::start::Start;

/// The name of a stream is written as it was read. A start is one of the known words or a time.
pub(crate) fn source(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(name) = text.parse::<StreamName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(start) = text.parse::<Start>() {
        let json = serde_json::to_string(&start).unwrap();
        assert_eq!(serde_json::from_str::<Start>(&json).unwrap(), start);
    }
}

#[cfg(feature = "aws")]
pub(crate) use aws::{aggregate, positions};

#[cfg(feature = "aws")]
mod aws {
    use std::fs;

    use bytes::Bytes;
    use md5::{Digest, Md5};
    use prost::Message;

    use super::super::aggregate::{self, Aggregated, MAGIC};
    use super::super::decode::for_each_event;
    use super::super::positions::Positions;
    use super::super::positions_file::{PositionsError, check_positions};
    use super::super::shard_reader::Record;
    use crate::ingest::decode::decode;
    use crate::ingest::fuzz::RACE_SECONDS;

    /// The user records of a record are parts of it, and so are their events. An aggregated record with the
    /// same user records has them again. The input is taken as a record, and as a message in an intact one.
    pub(crate) fn aggregate(input: &[u8]) {
        for data in [Bytes::copy_from_slice(input), sealed(input)] {
            let records: Vec<_> = aggregate::records(&data).collect();
            assert!(records.iter().map(Bytes::len).sum::<usize>() <= data.len());
            if records != [data.clone()] {
                let user_records = records.iter().cloned();
                let user_records = user_records.map(|data| aggregate::Record { data }).collect();
                let again = sealed(&Aggregated { records: user_records }.encode_to_vec());
                assert!(aggregate::records(&again).eq(records));
            }
            let record = Record { sequence: "1".to_owned(), arrival_ms: 1, data };
            for_each_event(&[record], RACE_SECONDS, |record, text, result| {
                assert!(record.data.as_ptr_range().contains(&text.as_ptr()));
                if let Ok((event, _)) = result {
                    assert_eq!(decode(text, RACE_SECONDS), Ok(event));
                }
            });
        }
    }

    /// An intact aggregated record with this message.
    fn sealed(message: &[u8]) -> Bytes {
        [&MAGIC[..], message, Md5::digest(message).as_slice()].concat().into()
    }

    /// Positions that are read are written as the same positions.
    pub(crate) fn positions(text: &[u8]) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("positions.json"), text).unwrap();
        let loaded = Positions::load(dir.path());
        assert_eq!(check_positions(text).is_ok(), loaded.is_ok());
        match loaded {
            Ok(read) => {
                let read = read.expect("the file exists");
                read.save(dir.path()).unwrap();
                assert_eq!(Positions::load(dir.path()).unwrap(), Some(read));
            }
            Err(error) => assert!(matches!(error, PositionsError::Damaged { .. }), "{error}"),
        }
    }
}
