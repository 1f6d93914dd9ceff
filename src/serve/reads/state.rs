//! The state that all reads share.

use compact_str::CompactString;
use hashbrown::HashMap;
use velodrome_dataflows::{Answer, ClassId, RacerId};

use super::cache::{AnswerCache, CachedQuery};
use crate::engine::Engine;
use crate::serve::answers::{AnswerBudget, Renderings};
use crate::serve::error::ApiError;

/// Answers reads from an engine and a cache of its answers. Clones share both.
#[derive(Clone, Debug)]
pub struct ReadState {
    pub(in crate::serve) engine: Engine,
    pub(in crate::serve) cache: AnswerCache,
    /// Large bodies, which clients share.
    pub(in crate::serve) renderings: Renderings,
}

impl ReadState {
    /// Answers from `engine`, with an empty cache. Large bodies count against `answers`.
    pub(in crate::serve) fn new(engine: Engine, answers: AnswerBudget) -> Self {
        let cache = AnswerCache::new(engine.clone());
        Self { cache, engine, renderings: Renderings::new(answers) }
    }

    /// The length of a race, which is the number of boards of a class.
    pub(super) fn race_seconds(&self) -> u16 {
        self.engine.rules().rules().race_seconds
    }

    /// The names in `class` of those `racers` that have one.
    ///
    /// # Errors
    /// 503 `busy` or `stopping`, from the engine.
    pub(in crate::serve) async fn names(
        &self,
        class: ClassId,
        racers: impl Iterator<Item = RacerId>,
    ) -> Result<HashMap<RacerId, CompactString>, ApiError> {
        let racers: Vec<_> = racers.collect();
        if racers.is_empty() {
            return Ok(HashMap::new());
        }
        let (_, answer) = self.cache.query(CachedQuery::Names(class, racers)).await?;
        let Answer::Names(names) = &*answer else { return Err(ApiError::internal()) };
        Ok(names.iter().cloned().collect())
    }
}
