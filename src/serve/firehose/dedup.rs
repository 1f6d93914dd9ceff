//! Deduplication of deliveries: Firehose repeats a delivery if the response does not arrive in time.

use std::future::Future;

use moka::future::Cache;
use moka::policy::EvictionPolicy;

use crate::serve::client::Client;
use crate::serve::error::ApiError;

/// The number of ids that are remembered: some 16 minutes at ten deliveries per second. Accepting a
/// forgotten delivery again costs work, but changes nothing.
const IDS_MAX: u64 = 10_000;

/// The ids of the most recently accepted deliveries, each with the token that sent it: what another token may not send is
/// no repetition. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::serve) struct DeliveryDedup(Cache<(Option<Client>, String), ()>);

impl DeliveryDedup {
    /// An empty set of ids.
    pub(in crate::serve) fn new() -> Self {
        // The default policy admits a new entry only if it was requested more often than the one it
        // evicts.
        Self(Cache::builder().max_capacity(IDS_MAX).eviction_policy(EvictionPolicy::lru()).build())
    }

    /// Runs `intake` for the delivery `id` of `token`, unless the delivery was accepted before. If another request
    /// is accepting the same delivery, waits for that request and shares its result. A failed delivery
    /// can be sent again.
    pub(super) async fn once(
        &self,
        token: Option<Client>,
        id: &str,
        intake: impl Future<Output = Result<(), ApiError>>,
    ) -> Result<(), ApiError> {
        let accepted = self.0.try_get_with((token, id.to_owned()), intake).await;
        accepted.map_err(|error| (*error).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn remembers_the_most_recent_ids_up_to_the_limit() {
        let dedup = DeliveryDedup::new();
        let is_new = async |id: u64| {
            let mut is_run = false;
            let intake = async {
                is_run = true;
                Ok(())
            };
            dedup.once(None, &id.to_string(), intake).await.unwrap();
            is_run
        };
        for id in 0..3 * IDS_MAX {
            assert!(is_new(id).await);
            dedup.0.run_pending_tasks().await;
        }
        assert!(dedup.0.entry_count() <= IDS_MAX);
        assert!(!is_new(3 * IDS_MAX - 1).await);
        assert!(!is_new(2 * IDS_MAX + 9).await);
        assert!(is_new(0).await);
    }

    #[tokio::test]
    async fn a_failed_delivery_is_not_remembered() {
        let dedup = DeliveryDedup::new();
        let error = ApiError::not_found("no");
        assert_eq!(dedup.once(None, "a", async { Err(error.clone()) }).await, Err(error));
        assert_eq!(dedup.once(None, "a", async { Ok(()) }).await, Ok(()));
    }
}
