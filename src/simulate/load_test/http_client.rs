//! The HTTP requests of a load test, over one connection that is kept alive.

use std::io::ErrorKind;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderValue, Response, Uri};
use ureq::{Agent, Body, RequestBuilder};

use super::error::LoadTestError;
use super::probe::ProbedSample;

/// The timeout of a request: twice the maximum wait of a read with `after`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The statuses of temporary failures: too many requests, unavailable, not visible in time, no space
/// left.
const TRANSIENT: [u16; 4] = [TOO_MANY_REQUESTS, 503, 504, 507];
const TOO_MANY_REQUESTS: u16 = 429;
/// The number of characters that are shown of a response in an unknown format.
const EXCERPT_CHARS: usize = 200;

/// A connection to the service.
#[derive(Debug)]
pub(super) struct HttpClient {
    agent: Agent,
    /// The addresses of the service, at least one, and the position of the one in use.
    urls: Vec<String>,
    current: usize,
    authorization: Option<HeaderValue>,
}

/// The response to a post.
#[derive(Debug, Deserialize)]
pub(super) struct Acknowledgement {
    pub(super) accepted: u64,
    pub(super) rejected: Vec<Rejected>,
    /// The token with which a read waits for the events of the post.
    pub(super) token: String,
}

/// A line that the service rejected.
#[derive(Debug, Deserialize)]
pub(super) struct Rejected {
    pub(super) error: String,
}

/// A failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// The same request can succeed later.
    Transient {
        reason: String,
        /// The pause that the service requested.
        retry_after: Option<Duration>,
        /// Whether the service limits the rate of requests.
        is_throttled: bool,
    },
    /// The same request would fail again.
    Permanent(LoadTestError),
}

#[derive(Deserialize)]
struct Standings {
    rows: Vec<Standing>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    racer_id: u32,
    second: u16,
}

#[derive(Deserialize)]
struct ServiceError {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl HttpClient {
    /// The client with this number of the service at `urls`. Clients start with different addresses. It connects at the
    /// first request.
    pub(super) fn new(
        urls: &[String],
        number: usize,
        token: Option<&str>,
    ) -> Result<Self, LoadTestError> {
        let is_service = |uri: &Uri| {
            uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none()
        };
        let url = |url: &String| {
            let to = url.trim_end_matches('/').to_owned();
            match to.parse().is_ok_and(|uri| is_service(&uri)) {
                true => Ok(to),
                false => Err(LoadTestError::Address(url.clone())),
            }
        };
        let urls = urls.iter().map(url).collect::<Result<Vec<_>, _>>()?;
        let current = number.checked_rem(urls.len()).unwrap_or_default();
        let bearer = |token: &str| HeaderValue::try_from(format!("Bearer {token}"));
        let authorization = token.map(bearer).transpose();
        let authorization = authorization.map_err(|_| LoadTestError::Token)?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // The load test measures the service, not a proxy in front of it.
            .proxy(None)
            .timeout_global(Some(REQUEST_TIMEOUT));
        Ok(Self { agent: agent.build().into(), urls, current, authorization })
    }

    /// The address in use.
    pub(super) fn to(&self) -> &str {
        self.urls.get(self.current).map_or("", String::as_str)
    }

    /// Uses the next address from now on.
    pub(super) fn use_next(&mut self) {
        self.current = (self.current + 1).checked_rem(self.urls.len()).unwrap_or_default();
    }

    /// Posts lines.
    pub(super) fn post(&self, lines: &[u8]) -> Result<Acknowledgement, Failure> {
        let url = format!("{}/v1/events", self.to());
        let request = self.authorized(self.agent.post(&url));
        let sent = request.header(CONTENT_TYPE, "application/x-ndjson").send(lines);
        match receive(&url, sent)? {
            (200, body) => parse(&url, &body),
            (status, body) => Err(refused(url, status, &body)),
        }
    }

    /// Whether the standings include `sample`, or a later second of the same racer. The service reads
    /// them only once they include the post that `after` acknowledged.
    pub(super) fn is_shown(
        &self,
        sample: &ProbedSample,
        after: &Acknowledgement,
    ) -> Result<bool, Failure> {
        let ProbedSample { class_id, race_id, racer_id, second } = *sample;
        let url = format!("{}/v1/races/{class_id}/{race_id}/standings", self.to());
        let request = self.authorized(self.agent.get(&url));
        let request = request.query("around", racer_id.to_string()).query("window", "1");
        match receive(&url, request.query("after", &after.token).call())? {
            (200, body) => {
                let Standings { rows } = parse(&url, &body)?;
                Ok(rows.iter().any(|row| row.racer_id == racer_id && row.second >= second))
            }
            // The service does not know the race or the racer, although it acknowledged the event.
            (404, _) => Ok(false),
            (status, body) => Err(refused(url, status, &body)),
        }
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(bearer) => request.header(AUTHORIZATION, bearer),
            None => request,
        }
    }
}

/// The status and the body of a response. The body is read to its end, so that the connection can be
/// reused.
fn receive(
    url: &str,
    sent: Result<Response<Body>, ureq::Error>,
) -> Result<(u16, Vec<u8>), Failure> {
    let lost = |error: ureq::Error| Failure::Transient {
        reason: match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                "connection refused; is the service running?".to_owned()
            }
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        },
        retry_after: None,
        is_throttled: false,
    };
    let mut response = sent.map_err(lost)?;
    let body = response.body_mut().read_to_vec().map_err(lost)?;
    let status = response.status().as_u16();
    if TRANSIENT.contains(&status) {
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let reason = format!("'{url}' answered {status}: {}", message(&body));
        let retry_after = retry_after.map(Duration::from_secs);
        let is_throttled = status == TOO_MANY_REQUESTS;
        return Err(Failure::Transient { reason, retry_after, is_throttled });
    }
    Ok((status, body))
}

fn parse<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, Failure> {
    let unreadable = |reason| LoadTestError::Unreadable { url: url.to_owned(), reason };
    serde_json::from_slice(body).map_err(|reason| Failure::Permanent(unreadable(reason)))
}

fn refused(url: String, status: u16, body: &[u8]) -> Failure {
    Failure::Permanent(LoadTestError::Refused { url, status, message: message(body) })
}

/// The message of an error of the service, or the start of any other response.
fn message(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(ServiceError { error: Message { message } }) => message,
        Err(_) => String::from_utf8_lossy(body).chars().take(EXCERPT_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(url: &str, token: Option<&str>) -> Result<HttpClient, LoadTestError> {
        HttpClient::new(&[url.to_owned()], 0, token)
    }

    #[test]
    fn accepts_only_the_address_of_a_service() {
        for to in ["http://127.0.0.1:80", "http://localhost/", "http://[::1]:8080"] {
            assert!(client_of(to, None).is_ok(), "{to}");
        }
        for to in ["", "localhost:80", "https://host", "http://", "http://host/v1", "http://h/?a=b"]
        {
            let error = client_of(to, None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{to}' is not the address")), "{error}");
        }
        let client = client_of("http://host", Some("line\nbreak"));
        assert!(matches!(client, Err(LoadTestError::Token)));
    }
}
