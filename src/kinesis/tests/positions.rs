//! Positions: saving, loading, initial values, and the check of their stream.

use super::super::Start;
use super::super::positions::Positions;
use super::super::positions_file::PositionsError;
use super::super::shards::Shard;
use super::fake::stream;

const CREATED_MS: u64 = 1_620_240_001_000;
const NOW_MS: u64 = CREATED_MS + 3_600_000;

fn shard(id: &str, is_open: bool) -> Shard {
    Shard { id: id.to_owned(), parents: Vec::new(), is_open }
}

fn initial(start: &Start) -> Positions {
    Positions::new("races", CREATED_MS, &[shard("a", false), shard("b", true)], start, NOW_MS)
}

#[test]
fn loads_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Positions::load(dir.path()).unwrap(), None);
    for start in [Start::TrimHorizon, Start::Latest, Start::At(7), Start::After("5".to_owned())] {
        let mut positions = initial(&Start::TrimHorizon);
        positions.get_or_insert("a").next = start;
        positions.save(dir.path()).unwrap();
        assert_eq!(Positions::load(dir.path()).unwrap(), Some(positions));
    }
}

#[test]
fn latest_skips_closed_shards_and_resumes_a_little_earlier() {
    let mut latest = initial(&Start::Latest);
    assert!(latest.is_finished("a") && !latest.is_finished("b"));
    assert_eq!(latest.get_or_insert("b").next, Start::At(NOW_MS - 300_000));
    assert_eq!(latest.get_or_insert("b").until_ms, Some(NOW_MS));
    let mut horizon = initial(&Start::TrimHorizon);
    assert!(!horizon.is_finished("a"));
    assert_eq!(horizon.get_or_insert("a").until_ms, None);
    let mut at = initial(&Start::At(CREATED_MS));
    assert_eq!(
        (at.get_or_insert("a").next.clone(), at.get_or_insert("a").until_ms),
        (Start::At(CREATED_MS), Some(CREATED_MS))
    );
    // Children start at their oldest record, wherever their parents started.
    assert_eq!(latest.get_or_insert("c").next, Start::TrimHorizon);
}

#[test]
fn removes_unlisted_shards_and_returns_unfinished_ones() {
    let mut positions = initial(&Start::TrimHorizon);
    positions.get_or_insert("a").is_finished = true;
    assert!(positions.remove_unlisted(&[shard("c", true), shard("b", true)]).is_empty());
    assert!(!positions.is_finished("a"));
    let lost = positions.remove_unlisted(&[shard("c", true)]);
    assert_eq!(lost.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["b"]);
    assert!(positions.remove_unlisted(&[]).is_empty());
}

#[tokio::test]
async fn rejects_positions_of_another_stream_and_damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let races = stream("http://127.0.0.1:9");
    initial(&Start::TrimHorizon).check(dir.path(), &races, CREATED_MS).unwrap();
    let error =
        initial(&Start::TrimHorizon).check(dir.path(), &races, CREATED_MS + 1_000).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("was created at 2021-05-05-18-40-02, but '"), "{message}");
    let other = Positions::new("other", CREATED_MS, &[], &Start::TrimHorizon, NOW_MS);
    let error = other.check(dir.path(), &races, CREATED_MS).unwrap_err();
    assert!(matches!(error, PositionsError::OtherStream { .. }), "{error}");
    std::fs::write(dir.path().join("positions.json"), "{}").unwrap();
    let message = Positions::load(dir.path()).unwrap_err().to_string();
    assert!(message.contains("positions.json' is damaged: missing field `stream`"), "{message}");
}
