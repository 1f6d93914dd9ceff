//! Caches complete answers until the data that they depend on changes.
//!
//! The key of an answer contains its *version*: the time of the most recent change of its data. A read
//! takes the version from the live state, which is consistent at one time. A cached answer of that
//! version is still valid at that time.

mod cached_query;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use metrics::counter;
use velodrome_dataflows::{Answer, EventTime};

pub(in crate::serve) use self::cached_query::CachedQuery;
use crate::engine::{Engine, EngineError};
use crate::serve::error::ApiError;

/// The size limit of the cache: about 40 boards of 100,000 racers.
const BYTES_MAX: u64 = 64 << 20;

type Answers = moka::future::Cache<(CachedQuery, EventTime), (EventTime, Arc<Answer>)>;

/// An engine and a cache of its answers. Clones share both.
#[derive(Clone, Debug)]
pub(in crate::serve) struct AnswerCache {
    engine: Engine,
    answers: Answers,
}

impl AnswerCache {
    /// An empty cache.
    pub(super) fn new(engine: Engine) -> Self {
        Self::with_bytes_max(engine, BYTES_MAX)
    }

    fn with_bytes_max(engine: Engine, bytes_max: u64) -> Self {
        let answers = Answers::builder()
            .weigher(|(query, _), (_, answer)| query.bytes(answer))
            .max_capacity(bytes_max)
            // Evicts the least recently used: the most frequently used entries soon have an old version,
            // which no read requests.
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .build();
        Self { engine, answers }
    }

    /// The bytes of all cached answers, approximately.
    pub(in crate::serve) fn bytes(&self) -> u64 {
        self.answers.weighted_size()
    }

    /// The answer to `query` and its time, which is at least the time that is complete now. Concurrent
    /// calls for the same answer share one query of the engine.
    ///
    /// # Errors
    /// 503 `busy` or `stopping`, from the engine.
    pub(in crate::serve) async fn query(
        &self,
        query: CachedQuery,
    ) -> Result<(EventTime, Arc<Answer>), ApiError> {
        let (now, version) = {
            let (now, live) = self.engine.live_state();
            (now, query.version(&live))
        };
        let label = query.label();
        let key = (query.clone(), version);
        let mut is_hit = true;
        let answer = self.answers.try_get_with(key, async {
            is_hit = false;
            // The live state can be ahead of queries. An earlier answer would lack the change of this
            // version.
            self.engine.wait_complete(version).await?;
            let (as_of, answer) = self.engine.query(query.query()).await?;
            Ok((as_of, Arc::new(answer)))
        });
        let (as_of, answer) = answer.await.map_err(|error: Arc<EngineError>| *error)?;
        let hit = if is_hit { "true" } else { "false" };
        counter!("velodrome_board_cache_total", "query" => label, "hit" => hit).increment(1);
        Ok((as_of.max(now), answer))
    }
}
