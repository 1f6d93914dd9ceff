//! The requests of a simulation.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use futures_util::future::{join, join_all};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use velodrome_dataflows::RacerId;

use super::clocks::Clocks;
use super::instance::Instance;
use crate::rules;

/// The status and the body of a response.
pub(super) type Reply = (u16, Vec<u8>);

impl Instance {
    fn request(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", "localhost");
        let request = request.header("content-type", "application/x-ndjson");
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }

    /// Sends a request, and waits for the response.
    pub(super) fn send(&self, method: &str, path: &str, body: &str) -> Reply {
        let request = self.request(method, path, body);
        self.runtime.block_on(answer(self.router.clone(), request))
    }

    /// Starts to post events.
    pub(super) fn start_post(&self, body: &str) -> JoinHandle<Reply> {
        let request = self.request("POST", "/v1/events", body);
        self.runtime.spawn(answer(self.router.clone(), request))
    }

    /// Posts `others` while `first` is under way. Calls `act` when all of them have begun.
    pub(super) fn finish_posts(
        &self,
        first: JoinHandle<Reply>,
        others: &[String],
        act: impl FnOnce(),
    ) -> Vec<Reply> {
        let posts = others.iter().map(|body| {
            let request = self.request("POST", "/v1/events", body);
            answer(self.router.clone(), request)
        });
        // All futures are polled once, in this order, before any of them waits.
        let posts = join(join_all(posts), async { act() });
        let (others, ()) = self.runtime.block_on(posts);
        let first = self.runtime.block_on(first).unwrap();
        [vec![first], others].concat()
    }

    /// Sends a request, and publishes what it needs. `None` if that fails.
    pub(super) fn send_while_publishing(&mut self, method: &str, path: &str) -> Option<Reply> {
        let request = self.request(method, path, "");
        let replied = self.runtime.spawn(answer(self.router.clone(), request));
        while !replied.is_finished() {
            if !self.publish() {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.runtime.block_on(replied).ok()
    }

    /// Bans a racer or lifts a ban.
    pub(super) fn ban(&self, clocks: &Clocks, racer: RacerId, is_banned: bool) -> Reply {
        let method = if is_banned { "PUT" } else { "DELETE" };
        let request = self.request(method, &format!("/v1/bans/{racer}"), "");
        let replied = self.runtime.spawn(answer(self.router.clone(), request));
        // The list is locked until the engine has the ban. Advance the clock only then, so that the same
        // seed always advances it once.
        self.wait(|| {
            let banned = self.runtime.block_on(self.bans.racers());
            replied.is_finished() || banned.contains(&racer) == is_banned
        });
        clocks.advance(1_100);
        self.runtime.block_on(replied).unwrap()
    }

    /// Switches to other rules, and returns whether they are active. The clocks advance by two minutes.
    pub(super) fn switch_rules(&self, clocks: &Clocks, text: &str) -> bool {
        let end = clocks.monotonic_ms() + 120_000;
        let (status, reply) = self.send("POST", "/v1/rules", text);
        assert_eq!(status, 202, "{}", String::from_utf8_lossy(&reply));
        let mut is_active = false;
        self.wait(|| {
            clocks.advance(20);
            let progress = self.rebuilds.progress();
            is_active = progress.is_none();
            progress.is_none_or(|progress| progress.failure.is_some())
        });
        clocks.advance_to(end);
        // A switch that failed has no progress either.
        let id = rules::id(&rules::parse(text).unwrap());
        is_active && self.get("/v1/rules")["rulesId"] == *id
    }
}

async fn answer(router: Router, request: Request<Body>) -> Reply {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
}
