use tokio::task::JoinSet;

use velodrome_dataflows::Query;

use super::*;
use crate::live_state::LiveChange;
use crate::serve::reads::fake_engine::FakeEngine;

const BOARD: CachedQuery = CachedQuery::Board(1, 2);

#[tokio::test]
async fn concurrent_calls_share_one_query() {
    let fake = FakeEngine::new();
    let cache = AnswerCache::new(fake.engine());
    let gate = fake.pause();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let cache = cache.clone();
        calls.spawn(async move { cache.query(BOARD).await });
    }
    // All other tasks run before this one continues.
    tokio::task::yield_now().await;
    drop(gate);
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.is_ok()));
    assert_eq!(fake.queries(), [Query::Board(1, 2)]);
}

#[tokio::test]
async fn an_answer_is_cached_until_its_class_changes() {
    let fake = FakeEngine::new();
    let cache = AnswerCache::new(fake.engine());
    let (leaderboard, best) = (CachedQuery::Leaderboard(1), CachedQuery::BestCurve(1));
    cache.query(best.clone()).await.unwrap();
    assert_eq!(cache.query(BOARD).await.unwrap().0, 5_000);
    cache.query(leaderboard.clone()).await.unwrap();
    fake.tick(5_010, vec![LiveChange::Records(2), LiveChange::Leaderboard(2)]);
    // It is also valid at the time that is complete now.
    assert_eq!(cache.query(BOARD).await.unwrap().0, 5_010);
    assert_eq!(cache.query(best.clone()).await.unwrap().0, 5_010);
    cache.query(leaderboard.clone()).await.unwrap();
    assert_eq!(fake.queries().len(), 3);
    fake.tick(5_020, vec![LiveChange::Records(1)]);
    cache.query(BOARD).await.unwrap();
    cache.query(best.clone()).await.unwrap();
    cache.query(leaderboard.clone()).await.unwrap();
    assert_eq!(fake.queries()[3..], [Query::Board(1, 2), Query::BestCurve(1)]);
    fake.tick(5_030, vec![LiveChange::Leaderboard(1)]);
    cache.query(BOARD).await.unwrap();
    cache.query(best).await.unwrap();
    cache.query(leaderboard).await.unwrap();
    assert_eq!(fake.queries()[5..], [Query::Leaderboard(1)]);
}

#[tokio::test]
async fn names_are_cached_until_their_class_changes_and_sizes_until_any_does() {
    let fake = FakeEngine::new();
    let cache = AnswerCache::new(fake.engine());
    let names = CachedQuery::Names(1, vec![1, 4]);
    let query_both = async || {
        cache.query(names.clone()).await.unwrap();
        cache.query(CachedQuery::Classes).await.unwrap();
    };
    query_both().await;
    fake.tick(5_010, vec![]);
    query_both().await;
    assert_eq!(fake.queries().len(), 2);
    fake.tick(5_020, vec![LiveChange::Leaderboard(1)]);
    query_both().await;
    assert_eq!(fake.queries()[2..], [Query::Names(1, vec![1, 4])]);
    fake.tick(5_030, vec![LiveChange::Records(3)]);
    query_both().await;
    assert_eq!(fake.queries()[3..], [Query::Classes]);
    fake.tick(5_040, vec![LiveChange::Records(1)]);
    query_both().await;
    assert_eq!(fake.queries()[4..], [Query::Names(1, vec![1, 4]), Query::Classes]);
}

#[tokio::test]
async fn an_answer_is_never_older_than_its_version() {
    let fake = FakeEngine::new();
    let cache = AnswerCache::new(fake.engine());
    // The live state is a tick ahead of what is complete.
    fake.live_state().apply(5_010, vec![LiveChange::Records(1)]);
    let call = tokio::spawn({
        let cache = cache.clone();
        async move { cache.query(BOARD).await }
    });
    tokio::task::yield_now().await;
    // The engine answers in order, so the query of the board would have come before this one.
    fake.engine().query(Query::Classes).await.unwrap();
    assert_eq!(fake.queries(), [Query::Classes]);
    fake.tick(5_010, vec![]);
    assert_eq!(call.await.unwrap().unwrap().0, 5_010);
    cache.query(BOARD).await.unwrap();
    assert_eq!(fake.queries()[1..], [Query::Board(1, 2)]);
}

#[tokio::test]
async fn the_cache_stays_within_its_size_limit() {
    let fake = FakeEngine::new();
    let cache = AnswerCache::with_bytes_max(fake.engine(), 10_000);
    for second in 1..=300 {
        cache.query(CachedQuery::Board(1, second)).await.unwrap();
    }
    cache.answers.run_pending_tasks().await;
    assert!((5_000..=10_000).contains(&cache.answers.weighted_size()));
    // The most recent ones are still there.
    cache.query(CachedQuery::Board(1, 300)).await.unwrap();
    assert_eq!(fake.queries().len(), 300);
}
