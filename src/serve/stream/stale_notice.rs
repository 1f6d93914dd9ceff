//! `event: status`: whether a cluster updates its results, for clients that show them.

use std::future::pending;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use velodrome_dataflows::EventTime;

use crate::cluster::{Stale, Status};
use crate::engine::Engine;

/// What a client of a node has learnt of its cluster. Clients of a single process get no event.
pub(super) struct StaleNotice {
    engine: Engine,
    /// `None` in a single process.
    stale: Option<watch::Receiver<Stale>>,
    /// What the client knows.
    known: Stale,
}

/// The JSON of an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventData<'a> {
    /// Why results are not updated; null while they are.
    stale: Option<&'a str>,
    /// The time of the results, null if there are none yet.
    as_of: Option<EventTime>,
}

impl StaleNotice {
    /// A client expects results that are updated, so it gets an event only if they are not.
    pub(super) fn new(cluster: Option<&Status>, engine: &Engine) -> Self {
        let stale = cluster.map(Status::watch_stale);
        Self { engine: engine.clone(), stale, known: None }
    }

    /// The event, if the client does not know the present state.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let stale = self.stale.as_mut()?.borrow_and_update();
        if *stale == self.known {
            return None;
        }
        self.known.clone_from(&stale);
        let as_of = Some(self.engine.live_state().0).filter(|as_of| *as_of > 0);
        let data = EventData { stale: stale.as_deref(), as_of };
        // Plain values always serialize.
        let data = serde_json::to_string(&data).unwrap_or_default();
        Some(Bytes::from(["event: status\ndata: ", &data, "\n\n"].concat()))
    }

    /// Returns when there may be an event.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.stale {
            Some(stale) => stale.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            // There is none any more.
            pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::reads::fake_engine::FakeEngine;

    #[tokio::test]
    async fn a_client_learns_of_each_change_once() {
        let fake = FakeEngine::new();
        fake.tick(5_010, Vec::new());
        let (state, stale) = watch::channel(Some("the cluster waits for node 2".into()));
        let mut notice = StaleNotice { engine: fake.engine(), stale: Some(stale), known: None };
        let mut take = || notice.take().map(|event| String::from_utf8(event.to_vec()).unwrap());
        let event =
            "event: status\ndata: {\"stale\":\"the cluster waits for node 2\",\"asOf\":5010}\n\n";
        assert_eq!((take().as_deref(), take()), (Some(event), None));
        state.send(None).unwrap();
        let event = "event: status\ndata: {\"stale\":null,\"asOf\":5010}\n\n";
        assert_eq!((take().as_deref(), take()), (Some(event), None));
        assert_eq!(StaleNotice::new(None, &fake.engine()).take(), None);
    }
}
