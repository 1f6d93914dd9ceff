//! A fake service, which responds as a test defines and records the requests.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A recorded request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) at: Instant,
    /// Method, path and query.
    pub(super) what: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A fake service on a free port. It ends when it is dropped.
pub(super) struct Fake {
    pub(super) address: String,
    calls: Arc<Mutex<Vec<Call>>>,
    _runtime: Runtime,
}

impl Fake {
    /// Responds to every call with `respond`. The first call has the number 0.
    pub(super) fn start(
        respond: impl Fn(usize, &Call) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0", respond)
    }

    pub(super) fn start_at(
        address: &str,
        respond: impl Fn(usize, &Call) -> Response + Send + Sync + 'static,
    ) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (respond, recorded) = (Arc::new(respond), Arc::clone(&calls));
        let router = Router::new().fallback(move |request: Request| {
            let (respond, recorded) = (Arc::clone(&respond), Arc::clone(&recorded));
            async move {
                let (head, body) = request.into_parts();
                let call = Call {
                    at: Instant::now(),
                    what: format!("{} {}", head.method, head.uri),
                    headers: head.headers,
                    body: to_bytes(body, usize::MAX).await.unwrap(),
                };
                let number = {
                    let mut calls = recorded.lock().unwrap();
                    calls.push(call.clone());
                    calls.len() - 1
                };
                respond(number, &call)
            }
        });
        runtime.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, calls, _runtime: runtime }
    }

    /// The calls so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The posts so far.
    pub(super) fn posts(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_post).collect()
    }
}

impl Call {
    pub(super) fn is_post(&self) -> bool {
        self.what == "POST /v1/events"
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.body.split_inclusive(|&byte| byte == b'\n')
    }

    /// The value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.what.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

pub(super) fn answer(status: u16, body: &Value) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, body.to_string()).into_response()
}

/// The response of a service that accepts every post and shows each racer at the end of the race.
pub(super) fn accept_all(call: &Call) -> Response {
    if call.is_post() {
        let token = "a token+/=";
        return answer(
            200,
            &json!({"accepted": call.lines().count(), "rejected": [], "token": token}),
        );
    }
    standings(call, 300)
}

/// Standings with the requested racer at `second`.
pub(super) fn standings(call: &Call, second: u16) -> Response {
    let racer: u32 = call.parameter("around").unwrap().parse().unwrap();
    let row = json!({"rank": 1, "racerId": racer, "name": "Vito", "output": 1.5, "second": second});
    answer(200, &json!({"rows": [row]}))
}
