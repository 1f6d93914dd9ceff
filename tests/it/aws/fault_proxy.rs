//! A proxy in front of a Kinesis server. It injects faults that AWS has and the local server does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use ureq::Agent;

use crate::aws::servers::Kinesis;
use crate::serving::agent;

/// The error of a call, or of a record, that exceeds a shard's throughput.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The content type of responses.
const JSON: &str = "application/x-amz-json-1.1";

/// The probabilities of faults, from 0 to 1.
#[derive(Clone, Copy)]
pub(crate) struct FaultRates {
    /// Throttling of a call that puts or gets records.
    pub(crate) calls: f64,
    /// Rejection of a record that is put.
    pub(crate) records: f64,
}

/// A running proxy, which stops when it is dropped.
pub(crate) struct FaultProxy {
    url: String,
    injected: Arc<Injected>,
    _runtime: Runtime,
}

/// The number of injected faults.
#[derive(Default)]
struct Injected {
    puts: AtomicUsize,
    gets: AtomicUsize,
    records: AtomicUsize,
}

impl FaultProxy {
    /// Starts a proxy in front of `kinesis`.
    pub(crate) fn start(kinesis: &Kinesis, rates: FaultRates) -> Self {
        let injected = Arc::new(Injected::default());
        let proxy = Arc::new(Proxy {
            to: kinesis.url().to_owned(),
            agent: agent(),
            rates,
            random: Mutex::new(Pcg64::seed_from_u64(1)),
            injected: Arc::clone(&injected),
        });
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(move |request: Request| {
            let proxy = Arc::clone(&proxy);
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let respond = move || proxy.respond(&head.headers, &body);
                tokio::task::spawn_blocking(respond).await.unwrap()
            }
        });
        runtime.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, injected, _runtime: runtime }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The numbers of throttled put calls, of throttled get calls, and of rejected records.
    pub(crate) fn injected(&self) -> [usize; 3] {
        let Injected { puts, gets, records } = &*self.injected;
        [puts, gets, records].map(|count| count.load(Ordering::Relaxed))
    }
}

/// The state of a proxy.
struct Proxy {
    to: String,
    agent: Agent,
    rates: FaultRates,
    random: Mutex<Pcg64>,
    injected: Arc<Injected>,
}

impl Proxy {
    fn respond(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let action = headers.get("x-amz-target").map(|target| target.to_str().unwrap());
        let throttled = || {
            let body = json!({"__type": THROTTLED, "message": "Rate exceeded for shard"});
            (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
        };
        match action.and_then(|action| action.split_once('.')).map(|(_, action)| action) {
            Some("PutRecords") if self.happens(self.rates.calls, &self.injected.puts) => {
                throttled()
            }
            Some("GetRecords") if self.happens(self.rates.calls, &self.injected.gets) => {
                throttled()
            }
            Some("PutRecords") => self.put(headers, body),
            _ => self.forward(headers, body),
        }
    }

    /// Forwards some of the records, and returns errors for the others.
    fn put(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let mut request: Value = serde_json::from_slice(body).unwrap();
        let records = request["Records"].as_array_mut().unwrap();
        let fails = |_: &Value| self.happens(self.rates.records, &self.injected.records);
        let failed: Vec<_> = records.iter().map(fails).collect();
        let mut fails = failed.iter();
        records.retain(|_| !fails.next().unwrap());
        let mut accepted = Vec::new();
        if !records.is_empty() {
            let answer = self.forward(headers, &request.to_string().into());
            if !answer.status().is_success() {
                return answer;
            }
            let answer =
                futures_util::FutureExt::now_or_never(to_bytes(answer.into_body(), usize::MAX));
            let answer: Value = serde_json::from_slice(&answer.unwrap().unwrap()).unwrap();
            assert_eq!(answer["FailedRecordCount"], 0, "{answer}");
            accepted = answer["Records"].as_array().unwrap().clone();
        }
        let mut accepted = accepted.into_iter();
        let result = |(place, failed): (usize, &bool)| match failed {
            false => accepted.next().unwrap(),
            true if place % 2 == 0 => {
                json!({"ErrorCode": THROTTLED, "ErrorMessage": "Rate exceeded"})
            }
            true => {
                json!({"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."})
            }
        };
        let results: Vec<_> = failed.iter().enumerate().map(result).collect();
        let count = failed.iter().filter(|failed| **failed).count();
        let answer = json!({"FailedRecordCount": count, "Records": results});
        ([(CONTENT_TYPE, JSON)], answer.to_string()).into_response()
    }

    fn forward(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let mut request = self.agent.post(&self.to);
        for (name, value) in headers {
            if ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
                request = request.header(name, value);
            }
        }
        let mut answer = request.send(&body[..]).unwrap();
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
        let content_type = answer.headers()[CONTENT_TYPE].clone();
        (answer.status(), [(CONTENT_TYPE, content_type)], body).into_response()
    }

    /// Decides whether a fault with this probability happens now, and counts it.
    fn happens(&self, rate: f64, count: &AtomicUsize) -> bool {
        let happens = self.random.lock().unwrap().random_bool(rate);
        count.fetch_add(usize::from(happens), Ordering::Relaxed);
        happens
    }
}
