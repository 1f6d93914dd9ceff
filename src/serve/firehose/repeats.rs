//! Deliveries that were taken: Firehose sends one again where it does not hear of it in time.

use std::future::Future;

use moka::future::Cache;
use moka::policy::EvictionPolicy;

use crate::serve::error::ApiError;

/// How many deliveries are remembered: at ten a second, some 16 minutes. Taking one again changes nothing
/// but the work.
const IDS_MAX: u64 = 10_000;

/// The last deliveries that were taken, by their ids; clones are handles of the same.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Repeats(Cache<String, ()>);

impl Repeats {
    /// None yet.
    pub(in crate::serve) fn new() -> Self {
        // By default the one that comes would have to be asked for more often than one that goes.
        Self(Cache::builder().max_capacity(IDS_MAX).eviction_policy(EvictionPolicy::lru()).build())
    }

    /// Has a delivery taken by `take`, unless it was before. Where it is being taken, that is waited for, and its
    /// error is everybody's; it can be taken again then.
    pub(super) async fn once(
        &self,
        id: &str,
        take: impl Future<Output = Result<(), ApiError>>,
    ) -> Result<(), ApiError> {
        let taken = self.0.try_get_with_by_ref(id, take).await;
        taken.map_err(|error| (*error).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_ones_are_remembered_and_no_more() {
        let repeats = Repeats::new();
        let is_taken = async |id: u64| {
            let mut is_taken = false;
            let take = async {
                is_taken = true;
                Ok(())
            };
            repeats.once(&id.to_string(), take).await.unwrap();
            is_taken
        };
        for id in 0..3 * IDS_MAX {
            assert!(is_taken(id).await);
            repeats.0.run_pending_tasks().await;
        }
        assert!(repeats.0.entry_count() <= IDS_MAX);
        assert!(!is_taken(3 * IDS_MAX - 1).await);
        assert!(!is_taken(2 * IDS_MAX + 9).await);
        assert!(is_taken(0).await);
    }

    #[tokio::test]
    async fn one_that_failed_is_taken_again() {
        let repeats = Repeats::new();
        let error = ApiError::not_found("no");
        assert_eq!(repeats.once("a", async { Err(error.clone()) }).await, Err(error));
        assert_eq!(repeats.once("a", async { Ok(()) }).await, Ok(()));
    }
}
