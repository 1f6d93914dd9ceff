//! A server that speaks Kinesis' protocol, with scripted responses.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::stream::Stream;

/// A call that the server received: its name, its parameters, and its time.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) body: Value,
    pub(super) at: Instant,
}

/// Returns status and body of the response to a call, from its name, its parameters, and the number of
/// earlier calls with this name.
type Script = Box<dyn Fn(&str, &Value, usize) -> (u16, Value) + Send + Sync>;

/// The server. Its calls can be read while it runs.
#[derive(Clone)]
pub(super) struct Fake(Arc<Shared>);

struct Shared {
    script: Script,
    calls: Mutex<Vec<Call>>,
}

impl Fake {
    /// Starts the server. Returns it with a client of the stream `races`.
    pub(super) async fn start(
        script: impl Fn(&str, &Value, usize) -> (u16, Value) + Send + Sync + 'static,
    ) -> (Self, Stream) {
        let fake = Self(Arc::new(Shared { script: Box::new(script), calls: Mutex::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(respond).with_state(fake.clone());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        (fake, stream(&url))
    }

    /// The calls with this name, in order.
    pub(super) fn calls(&self, name: &str) -> Vec<Call> {
        let calls = self.0.calls.lock().unwrap();
        calls.iter().filter(|call| call.name == name).cloned().collect()
    }
}

/// A client of the stream `races` on the server at `url`.
pub(super) fn stream(url: &str) -> Stream {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .endpoint_url(url);
    Stream::new(&config.build(), "kinesis:races".parse().unwrap())
}

async fn respond(
    State(Fake(shared)): State<Fake>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let name = target.rsplit('.').next().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut calls = shared.calls.lock().unwrap();
        let number = calls.iter().filter(|call| call.name == name).count();
        calls.push(Call { name: name.clone(), body: body.clone(), at: Instant::now() });
        number
    };
    let (status, response) = (shared.script)(&name, &body, number);
    (StatusCode::from_u16(status).unwrap(), Json(response))
}

/// An error response of Kinesis.
pub(super) fn error(code: &str, message: &str) -> (u16, Value) {
    (400, json!({ "__type": code, "message": message }))
}
