//! A proxy before a server that speaks Kinesis, which makes the faults that AWS has and the server has not.

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

/// What Kinesis answers, and says of a record, where a shard has no room.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The type of its answers.
const JSON: &str = "application/x-amz-json-1.1";

/// How often there is a fault, as a share of one.
#[derive(Clone, Copy)]
pub(crate) struct Shares {
    /// Of calls that put or get records, those that are answered as too many.
    pub(crate) calls: f64,
    /// Of records that are put, those that are not taken.
    pub(crate) records: f64,
}

/// A running proxy, which ends with this.
pub(crate) struct Faults {
    url: String,
    made: Arc<Made>,
    _runtime: Runtime,
}

/// How many faults there were.
#[derive(Default)]
struct Made {
    puts: AtomicUsize,
    gets: AtomicUsize,
    records: AtomicUsize,
}

impl Faults {
    /// Goes before `kinesis`.
    pub(crate) fn before(kinesis: &Kinesis, shares: Shares) -> Self {
        let made = Arc::new(Made::default());
        let proxy = Arc::new(Proxy {
            to: kinesis.url().to_owned(),
            agent: agent(),
            shares,
            random: Mutex::new(Pcg64::seed_from_u64(1)),
            made: Arc::clone(&made),
        });
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(move |request: Request| {
            let proxy = Arc::clone(&proxy);
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let answer = move || proxy.answer(&head.headers, &body);
                tokio::task::spawn_blocking(answer).await.unwrap()
            }
        });
        runtime.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, made, _runtime: runtime }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many calls that put records, calls that get them, and records put it has turned away.
    pub(crate) fn made(&self) -> [usize; 3] {
        let Made { puts, gets, records } = &*self.made;
        [puts, gets, records].map(|count| count.load(Ordering::Relaxed))
    }
}

/// What a proxy works with.
struct Proxy {
    to: String,
    agent: Agent,
    shares: Shares,
    random: Mutex<Pcg64>,
    made: Arc<Made>,
}

impl Proxy {
    fn answer(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let action = headers.get("x-amz-target").map(|target| target.to_str().unwrap());
        let throttled = || {
            let body = json!({"__type": THROTTLED, "message": "Rate exceeded for shard"});
            (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
        };
        match action.and_then(|action| action.split_once('.')).map(|(_, action)| action) {
            Some("PutRecords") if self.happens(self.shares.calls, &self.made.puts) => throttled(),
            Some("GetRecords") if self.happens(self.shares.calls, &self.made.gets) => throttled(),
            Some("PutRecords") => self.put(headers, body),
            _ => self.forward(headers, body),
        }
    }

    /// Puts some of the records, and tells of the others that they failed.
    fn put(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        let mut request: Value = serde_json::from_slice(body).unwrap();
        let records = request["Records"].as_array_mut().unwrap();
        let fails = |_: &Value| self.happens(self.shares.records, &self.made.records);
        let failed: Vec<_> = records.iter().map(fails).collect();
        let mut fails = failed.iter();
        records.retain(|_| !fails.next().unwrap());
        let mut taken = Vec::new();
        if !records.is_empty() {
            let answer = self.forward(headers, &request.to_string().into());
            if !answer.status().is_success() {
                return answer;
            }
            let answer =
                futures_util::FutureExt::now_or_never(to_bytes(answer.into_body(), usize::MAX));
            let answer: Value = serde_json::from_slice(&answer.unwrap().unwrap()).unwrap();
            assert_eq!(answer["FailedRecordCount"], 0, "{answer}");
            taken = answer["Records"].as_array().unwrap().clone();
        }
        let mut taken = taken.into_iter();
        let verdict = |(place, failed): (usize, &bool)| match failed {
            false => taken.next().unwrap(),
            true if place % 2 == 0 => {
                json!({"ErrorCode": THROTTLED, "ErrorMessage": "Rate exceeded"})
            }
            true => {
                json!({"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."})
            }
        };
        let verdicts: Vec<_> = failed.iter().enumerate().map(verdict).collect();
        let count = failed.iter().filter(|failed| **failed).count();
        let answer = json!({"FailedRecordCount": count, "Records": verdicts});
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

    fn happens(&self, share: f64, count: &AtomicUsize) -> bool {
        let happens = self.random.lock().unwrap().random_bool(share);
        count.fetch_add(usize::from(happens), Ordering::Relaxed);
        happens
    }
}
