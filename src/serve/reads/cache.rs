//! Whole answers that many ask for, kept until what they rest on changes.
//!
//! An answer is kept under the *version* of what it rests on: the time of the last change. A reader
//! takes the version from the live state, which is of one time; an answer of that version holds at
//! that time too, unless it is of a later one.

use std::mem::size_of;
use std::sync::Arc;

use compact_str::CompactString;
use metrics::counter;
use velodrome_dataflows::{Answer, BestFinal, ClassId, ClassSize, Clock, Output, Query, RacerId};

use crate::engine::{Engine, EngineError};
use crate::feeds::State;
use crate::serve::error::ApiError;

/// Kept answers have at most so many bytes: some 40 boards of 100,000 racers.
const BYTES_MAX: u64 = 64 << 20;

/// What is asked for often enough to keep its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum Question {
    /// The records of a class at a second (from 1).
    Board(ClassId, u16),
    /// The best final outputs of a class.
    Leaderboard(ClassId),
    /// The best record of any racer of a class at each second.
    Best(ClassId),
    /// How much there is of each class.
    Classes,
    /// The names of racers.
    Names(Vec<RacerId>),
}

impl Question {
    fn query(self) -> Query {
        match self {
            Self::Board(class, second) => Query::Board(class, second),
            Self::Leaderboard(class) => Query::Leaderboard(class),
            Self::Best(class) => Query::Best(class),
            Self::Classes => Query::Classes,
            Self::Names(racers) => Query::Names(racers),
        }
    }

    /// When what the answer rests on changed last.
    fn version(&self, live: &State) -> Clock {
        match self {
            Self::Board(class, _) | Self::Best(class) => live.versions(*class).records,
            Self::Leaderboard(class) => live.versions(*class).leaderboard,
            Self::Classes => live.newest_versions().records,
            // A name is told with what its ride adds to a record or to a leaderboard.
            Self::Names(_) => {
                let newest = live.newest_versions();
                newest.records.max(newest.leaderboard)
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Board(..) => "board",
            Self::Leaderboard(_) => "leaderboard",
            Self::Best(_) => "best",
            Self::Classes => "classes",
            Self::Names(_) => "names",
        }
    }
}

type Answers = moka::future::Cache<(Question, Clock), (Clock, Arc<Answer>)>;

/// An engine, and its answers as long as they hold.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Cache {
    engine: Engine,
    answers: Answers,
}

impl Cache {
    /// No answers yet.
    pub(super) fn new(engine: Engine) -> Self {
        Self::with_bytes_max(engine, BYTES_MAX)
    }

    fn with_bytes_max(engine: Engine, bytes_max: u64) -> Self {
        let answers = Answers::builder()
            .weigher(|(question, _), (_, answer)| bytes(question, answer))
            .max_capacity(bytes_max)
            // What was asked for most is soon of an old version, which nobody asks for any more.
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .build();
        Self { engine, answers }
    }

    /// The answer to `question`, and the time that it is of: not before what is complete now. Who asks
    /// at the same time shares one query.
    ///
    /// # Errors
    /// An engine that is over its bound, or stopping.
    pub(in crate::serve) async fn ask(
        &self,
        question: Question,
    ) -> Result<(Clock, Arc<Answer>), ApiError> {
        let (now, version) = {
            let (now, live) = self.engine.live();
            (now, question.version(&live))
        };
        let name = question.name();
        let key = (question.clone(), version);
        let mut is_hit = true;
        let answer = self.answers.try_get_with(key, async {
            is_hit = false;
            // An answer of before the version would be kept as if the change were in it.
            self.engine.reached(version).await?;
            let (as_of, answer) = self.engine.ask(question.query()).await?;
            Ok((as_of, Arc::new(answer)))
        });
        let (as_of, answer) = answer.await.map_err(|error: Arc<EngineError>| *error)?;
        let hit = if is_hit { "true" } else { "false" };
        counter!("velodrome_board_cache_total", "query" => name, "hit" => hit).increment(1);
        Ok((as_of.max(now), answer))
    }
}

/// How much memory an answer and its key take, about.
fn bytes(question: &Question, answer: &Answer) -> u32 {
    let rows = match answer {
        Answer::Board(rows) => rows.len() * size_of::<(RacerId, Output)>(),
        Answer::Leaderboard(rows) => rows.len() * size_of::<(RacerId, BestFinal)>(),
        Answer::Best(curve) => usize::from(curve.seconds()) * size_of::<f64>(),
        Answer::Classes(rows) => rows.len() * size_of::<(ClassId, ClassSize)>(),
        Answer::Names(rows) => {
            let heap = rows.iter().filter(|(_, name)| name.is_heap_allocated());
            rows.len() * size_of::<(RacerId, CompactString)>()
                + heap.map(|(_, name)| name.capacity()).sum::<usize>()
        }
        // No question has another answer.
        _ => 0,
    };
    let asked = match question {
        Question::Names(racers) => racers.len() * size_of::<RacerId>(),
        _ => 0,
    };
    let own = size_of::<(Question, Clock)>() + size_of::<(Clock, Answer)>();
    u32::try_from(own + asked + rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::super::stub::Stub;
    use super::*;
    use crate::feeds::FeedChange;

    const BOARD: Question = Question::Board(1, 2);

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_one_query() {
        let stub = Stub::new();
        let cache = Cache::new(stub.engine());
        let gate = stub.hold();
        let mut asking = JoinSet::new();
        for _ in 0..20 {
            let cache = cache.clone();
            asking.spawn(async move { cache.ask(BOARD).await });
        }
        // Each task gets its turn before this one gets its second.
        tokio::task::yield_now().await;
        drop(gate);
        let answers = asking.join_all().await;
        assert!(answers.iter().all(|answer| answer == &answers[0] && answer.is_ok()));
        assert_eq!(stub.asked(), [Query::Board(1, 2)]);
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_its_class_changes() {
        let stub = Stub::new();
        let cache = Cache::new(stub.engine());
        let (leaderboard, best) = (Question::Leaderboard(1), Question::Best(1));
        cache.ask(best.clone()).await.unwrap();
        assert_eq!(cache.ask(BOARD).await.unwrap().0, 5_000);
        cache.ask(leaderboard.clone()).await.unwrap();
        stub.tick(5_010, vec![FeedChange::Records(2), FeedChange::Leaderboard(2)]);
        // It holds at the time that is complete now, too.
        assert_eq!(cache.ask(BOARD).await.unwrap().0, 5_010);
        assert_eq!(cache.ask(best.clone()).await.unwrap().0, 5_010);
        cache.ask(leaderboard.clone()).await.unwrap();
        assert_eq!(stub.asked().len(), 3);
        stub.tick(5_020, vec![FeedChange::Records(1)]);
        cache.ask(BOARD).await.unwrap();
        cache.ask(best.clone()).await.unwrap();
        cache.ask(leaderboard.clone()).await.unwrap();
        assert_eq!(stub.asked()[3..], [Query::Board(1, 2), Query::Best(1)]);
        stub.tick(5_030, vec![FeedChange::Leaderboard(1)]);
        cache.ask(BOARD).await.unwrap();
        cache.ask(best).await.unwrap();
        cache.ask(leaderboard).await.unwrap();
        assert_eq!(stub.asked()[5..], [Query::Leaderboard(1)]);
    }

    #[tokio::test]
    async fn names_and_sizes_are_kept_until_any_class_changes() {
        let stub = Stub::new();
        let cache = Cache::new(stub.engine());
        let names = Question::Names(vec![1, 4]);
        let ask_both = async || {
            cache.ask(names.clone()).await.unwrap();
            cache.ask(Question::Classes).await.unwrap();
        };
        ask_both().await;
        stub.tick(5_010, vec![]);
        ask_both().await;
        assert_eq!(stub.asked().len(), 2);
        stub.tick(5_020, vec![FeedChange::Leaderboard(3)]);
        ask_both().await;
        assert_eq!(stub.asked()[2..], [Query::Names(vec![1, 4])]);
        stub.tick(5_030, vec![FeedChange::Records(3)]);
        ask_both().await;
        assert_eq!(stub.asked()[3..], [Query::Names(vec![1, 4]), Query::Classes]);
    }

    #[tokio::test]
    async fn an_answer_is_not_of_before_the_change_that_it_is_kept_under() {
        let stub = Stub::new();
        let cache = Cache::new(stub.engine());
        // The live state is a tick ahead of what is complete.
        stub.feeds().apply(5_010, vec![FeedChange::Records(1)]);
        let asking = tokio::spawn({
            let cache = cache.clone();
            async move { cache.ask(BOARD).await }
        });
        tokio::task::yield_now().await;
        // Questions are answered in turn: the board's would have been before this one.
        stub.engine().ask(Query::Classes).await.unwrap();
        assert_eq!(stub.asked(), [Query::Classes]);
        stub.tick(5_010, vec![]);
        assert_eq!(asking.await.unwrap().unwrap().0, 5_010);
        cache.ask(BOARD).await.unwrap();
        assert_eq!(stub.asked()[1..], [Query::Board(1, 2)]);
    }

    #[tokio::test]
    async fn answers_take_no_more_memory_than_they_may() {
        let stub = Stub::new();
        let cache = Cache::with_bytes_max(stub.engine(), 10_000);
        for second in 1..=300 {
            cache.ask(Question::Board(1, second)).await.unwrap();
        }
        cache.answers.run_pending_tasks().await;
        assert!((5_000..=10_000).contains(&cache.answers.weighted_size()));
        // The newest are the ones that stay.
        cache.ask(Question::Board(1, 300)).await.unwrap();
        assert_eq!(stub.asked().len(), 300);
    }

    #[test]
    fn rows_are_weighed() {
        let board = |rows| Answer::Board(vec![(1, Output(1.0)); rows]);
        assert_eq!(bytes(&BOARD, &board(1_000)) - bytes(&BOARD, &board(0)), 16_000);
        let name = |name: &str| Answer::Names(vec![(1, name.into())]);
        let names = Question::Names(vec![1]);
        assert!(bytes(&names, &name(&"n".repeat(900))) - bytes(&names, &name("n")) >= 900);
    }
}
