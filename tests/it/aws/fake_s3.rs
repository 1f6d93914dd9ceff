//! An S3 server whose responses each test scripts, for what real servers do only rarely.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_RANGE, ETAG, IF_MATCH, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use velodrome::aws::Aws;
use velodrome::store;

use super::servers::{CREDENTIALS, config};

/// A running server, which stops when it is dropped.
pub(crate) struct FakeS3 {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    runtime: Runtime,
}

/// A call that the server received.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The key; empty for a listing.
    pub(crate) key: String,
    /// The parameters in the query.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
}

impl FakeS3 {
    /// Starts a server with one bucket, `races`. `respond` gets each call and the number of earlier
    /// calls.
    pub(crate) fn start(
        respond: impl Fn(&Call, usize) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let (runtime, calls) = (Runtime::new().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::clone(&calls);
        let router = Router::new().fallback(async move |request: Request| {
            let call = Call::new(&request);
            let number = {
                let mut received = received.lock().unwrap();
                received.push(call.clone());
                received.len() - 1
            };
            respond(&call, number)
        });
        runtime.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, calls, runtime }
    }

    /// The environment of a command that uses this server.
    pub(crate) fn environment(&self) -> Vec<(&'static str, &str)> {
        CREDENTIALS.into_iter().chain([self.endpoint()]).collect()
    }

    /// The variable with its URL.
    pub(crate) fn endpoint(&self) -> (&'static str, &str) {
        ("AWS_ENDPOINT_URL_S3", &self.url)
    }

    /// Its bucket as a store.
    pub(crate) fn store(&self) -> store::S3 {
        store::S3::new(&Aws::new(config(&self.url), self.runtime.handle()), "races", "")
    }

    /// All calls, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Call {
    fn new(request: &Request) -> Self {
        let path = percent_decode_str(request.uri().path()).decode_utf8().unwrap();
        let query = request.uri().query().unwrap_or_default();
        Self {
            key: path.trim_start_matches("/races").trim_start_matches('/').to_owned(),
            parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: request.headers().clone(),
        }
    }

    /// Whether it lists keys.
    pub(crate) fn is_listing(&self) -> bool {
        self.key.is_empty()
    }

    /// The access key that it is signed with.
    pub(crate) fn access_key(&self) -> String {
        let signature = self.headers[AUTHORIZATION].to_str().unwrap();
        let from_key = signature.split_once("Credential=").unwrap().1;
        from_key.split('/').next().unwrap().to_owned()
    }

    /// The response of a server that has `bytes` under the key, in the version `etag`. It ignores a
    /// condition unless `is_strict`.
    pub(crate) fn object(&self, etag: &str, bytes: &[u8], is_strict: bool) -> Response {
        let etag = format!("\"{etag}\"");
        if is_strict && self.headers.get(IF_MATCH).is_some_and(|expected| *expected != etag[..]) {
            return error(412, "PreconditionFailed", "");
        }
        let Some(range) = self.headers.get(RANGE) else {
            return ([(ETAG, etag)], bytes.to_vec()).into_response();
        };
        let range = range.to_str().unwrap().trim_start_matches("bytes=").split_once('-').unwrap();
        let (from, last): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
        let Some(part) = bytes.get(from..bytes.len().min(last + 1)) else {
            return error(416, "InvalidRange", "");
        };
        let range = format!("bytes {from}-{}/{}", from + part.len() - 1, bytes.len());
        let headers = [(ETAG, etag), (CONTENT_RANGE, range)];
        (StatusCode::PARTIAL_CONTENT, headers, part.to_vec()).into_response()
    }
}

/// A page of a listing: the keys with their ETags and sizes, and the token of the next page.
pub(crate) fn page(objects: &[(&str, &str, usize)], token: Option<&str>) -> Response {
    let object = |(key, etag, bytes): &(&str, &str, usize)| {
        format!(
            "<Contents><Key>{key}</Key><ETag>&quot;{etag}&quot;</ETag><Size>{bytes}</Size></Contents>"
        )
    };
    let objects: String = objects.iter().map(object).collect();
    let token =
        token.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    listing(&format!(
        "<IsTruncated>{}</IsTruncated>{}{objects}",
        token.is_some(),
        token.unwrap_or_default()
    ))
}

/// A listing with this content.
pub(crate) fn listing(content: &str) -> Response {
    Body::from(format!("<ListBucketResult>{content}</ListBucketResult>")).into_response()
}

/// An error response.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
