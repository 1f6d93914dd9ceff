//! Changes of bans: permissions, and when the response is sent.

use axum::response::IntoResponse;
use tokio::time::Instant;
use velodrome_dataflows::Ban;

use super::tokens::{self, bearer};
use super::*;
use crate::auth::Scope;
use crate::serve::bans::set_ban;
use crate::serve::permissions::{AllowedObjects, Permissions};

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
fn responds_once_a_change_is_in_effect() {
    let service = Service::start(without_tokens());
    thread::scope(|scope| {
        let put = scope.spawn(|| service.call("PUT", ONE).status);
        // Now the ban is durable, but not in effect.
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
async fn a_change_that_is_not_in_effect_within_five_seconds_is_a_504() {
    let service = Service::start(without_tokens());
    let (permissions, ban) = (Permissions::default(), Ban { racer: 7, is_banned: true });
    let started = Instant::now();
    let error = set_ban(&service.app, &permissions, ban).await.unwrap_err();
    assert_eq!(error.into_response().status().as_u16(), 504);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(service.app.bans().racers().await, [7]);
}

#[tokio::test]
async fn a_token_for_single_classes_cannot_change_bans() {
    let service = Service::start(without_tokens());
    let permissions = Permissions::new(Some(AllowedObjects::default()), None);
    let error =
        set_ban(&service.app, &permissions, Ban { racer: 7, is_banned: true }).await.unwrap_err();
    assert_eq!(error.into_response().status().as_u16(), 403);
    assert!(service.app.bans().racers().await.is_empty());
}

#[test]
fn rejects_other_scopes_and_invalid_racers() {
    let with_tokens = Service::start(tokens::with_tokens());
    let starting = Service::starting(without_tokens());
    let service = Service::start(without_tokens());
    for (method, path) in [("GET", BANS), ("PUT", ONE), ("DELETE", ONE)] {
        assert_eq!(with_tokens.call(method, path).error(), is_error(401, "unauthorized"));
        let reader = [("authorization", &*bearer(Scope::Read))];
        let forbidden = with_tokens.request(method, path, &reader, b"").error();
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
