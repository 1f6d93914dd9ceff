//! Bans: who may change them, and what is answered when.

use axum::response::IntoResponse;
use tokio::time::Instant;
use velodrome_dataflows::Ban;

use super::auth::{bearer, closed};
use super::*;
use crate::auth::Scope;
use crate::serve::bans::set;
use crate::serve::grant::{Grant, Objects};

const BANS: &str = "/v1/bans";
const ONE: &str = "/v1/bans/7";

impl Service {
    fn call(&self, method: &str, path: &str) -> Answer {
        self.request(method, path, &[], b"")
    }

    fn banned(&self) -> Vec<u64> {
        let json = self.get(BANS).json();
        json["racers"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
    }
}

#[test]
fn a_ban_and_its_end_are_answered_once_they_are_complete() {
    let service = Service::start(open());
    thread::scope(|scope| {
        let put = scope.spawn(|| service.call("PUT", ONE).status);
        // It is kept by then, and not complete.
        while service.banned().is_empty() {
            assert!(!put.is_finished());
        }
        assert!(!put.is_finished());
        service.complete.send(BANS_SINCE_MS).unwrap();
        assert_eq!(put.join().unwrap(), 204);
    });
    assert_eq!(service.call("PUT", "/v1/bans/0").status, 204);
    assert_eq!(service.call("PUT", ONE).status, 204);
    assert_eq!(service.banned(), [0, 7]);
    for _ in 0..2 {
        assert_eq!(service.call("DELETE", ONE).status, 204);
        assert_eq!(service.banned(), [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_complete_within_five_seconds_is_told_to_be_kept() {
    let service = Service::start(open());
    let (grant, ban) = (Grant::default(), Ban { racer: 7, is_banned: true });
    let started = Instant::now();
    let error = set(&service.app, &grant, ban).await.unwrap_err();
    assert_eq!(error.into_response().status().as_u16(), 504);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(service.app.bans().racers().await, [7]);
}

#[tokio::test]
async fn a_token_for_single_classes_changes_no_bans() {
    let service = Service::start(open());
    let grant = Grant::new(Some(Objects::default()), None);
    let error = set(&service.app, &grant, Ban { racer: 7, is_banned: true }).await.unwrap_err();
    assert_eq!(error.into_response().status().as_u16(), 403);
    assert!(service.app.bans().racers().await.is_empty());
}

#[test]
fn who_may_not_change_them_is_refused_and_so_is_what_is_no_racer() {
    let guarded = Service::start(closed());
    let starting = Service::starting(open());
    let service = Service::start(open());
    for (method, path) in [("GET", BANS), ("PUT", ONE), ("DELETE", ONE)] {
        assert_eq!(guarded.call(method, path).error(), is_error(401, "unauthorized"));
        let reader = [("authorization", &*bearer(Scope::Read))];
        let forbidden = guarded.request(method, path, &reader, b"").error();
        assert_eq!(forbidden, is_error(403, "forbidden"), "{method} {path}");
        assert_eq!(starting.call(method, path).error(), is_error(503, "starting"));
        let unknown = service.call(method, &format!("{path}?until=1"));
        assert_eq!(unknown.error(), is_error(400, "bad_parameter"), "{method} {path}");
    }
    for racer in ["-1", "4294967296", "all"] {
        let path = format!("{BANS}/{racer}");
        for method in ["PUT", "DELETE"] {
            let answer = service.call(method, &path);
            assert_eq!(answer.error(), is_error(400, "bad_parameter"), "{method} {path}");
        }
    }
    assert_eq!(service.banned(), [] as [u64; 0]);
}
