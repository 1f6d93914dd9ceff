//! Positions: what is kept of how far a stream is read.

use super::super::Start;
use super::super::lineage::Shard;
use super::super::positions::{Positions, PositionsError};
use super::fake::stream;

const CREATED_MS: u64 = 1_620_240_001_000;
const NOW_MS: u64 = CREATED_MS + 3_600_000;

fn shard(id: &str, is_open: bool) -> Shard {
    Shard { id: id.to_owned(), parents: Vec::new(), is_open }
}

fn begun(start: &Start) -> Positions {
    Positions::begin("races", CREATED_MS, &[shard("a", false), shard("b", true)], start, NOW_MS)
}

#[test]
fn positions_are_found_as_they_were_saved() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Positions::load(dir.path()).unwrap(), None);
    for start in [Start::TrimHorizon, Start::Latest, Start::At(7), Start::After("5".to_owned())] {
        let mut positions = begun(&Start::TrimHorizon);
        positions.begun("a").next = start;
        positions.save(dir.path()).unwrap();
        assert_eq!(Positions::load(dir.path()).unwrap(), Some(positions));
    }
}

#[test]
fn the_latest_skips_closed_shards_and_is_gone_on_from_a_little_before() {
    let mut latest = begun(&Start::Latest);
    assert!(latest.is_finished("a") && !latest.is_finished("b"));
    assert_eq!(latest.begun("b").next, Start::At(NOW_MS - 300_000));
    assert_eq!(latest.begun("b").until_ms, Some(NOW_MS));
    let mut horizon = begun(&Start::TrimHorizon);
    assert!(!horizon.is_finished("a"));
    assert_eq!(horizon.begun("a").until_ms, None);
    let mut at = begun(&Start::At(CREATED_MS));
    assert_eq!(
        (at.begun("a").next.clone(), at.begun("a").until_ms),
        (Start::At(CREATED_MS), Some(CREATED_MS))
    );
    // Children are begun with their oldest record, however their parents were.
    assert_eq!(latest.begun("c").next, Start::TrimHorizon);
}

#[test]
fn shards_that_are_not_listed_are_forgotten_and_told_where_they_were_not_finished() {
    let mut positions = begun(&Start::TrimHorizon);
    positions.begun("a").is_finished = true;
    assert!(positions.forget(&[shard("c", true), shard("b", true)]).is_empty());
    assert!(!positions.is_finished("a"));
    let lost = positions.forget(&[shard("c", true)]);
    assert_eq!(lost.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["b"]);
    assert!(positions.forget(&[]).is_empty());
}

#[tokio::test]
async fn positions_of_another_stream_or_of_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let races = stream("http://127.0.0.1:9");
    begun(&Start::TrimHorizon).check(dir.path(), &races, CREATED_MS).unwrap();
    let error =
        begun(&Start::TrimHorizon).check(dir.path(), &races, CREATED_MS + 1_000).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("was created at 2021-05-05-18-40-02, and '"), "{told}");
    let other = Positions::begin("other", CREATED_MS, &[], &Start::TrimHorizon, NOW_MS);
    let error = other.check(dir.path(), &races, CREATED_MS).unwrap_err();
    assert!(matches!(error, PositionsError::OtherStream { .. }), "{error}");
    std::fs::write(dir.path().join("positions.json"), "{}").unwrap();
    let told = Positions::load(dir.path()).unwrap_err().to_string();
    assert!(told.contains("positions.json' holds no positions: missing field `stream`"), "{told}");
}
