//! What a drive asks the service, over one connection that is kept open.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use ureq::http::{HeaderValue, Response, Uri};
use ureq::{Agent, Body, RequestBuilder};

use super::DriveError;
use super::posts::Sample;

/// A request that takes longer has failed: twice what a read waits for `after`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Too many requests, unavailable, not included in time, no room left: these pass.
const PASSING: [u16; 4] = [TOO_MANY, 503, 504, 507];
const TOO_MANY: u16 = 429;
/// How much is shown of an answer that is no error of the service's, in characters.
const EXCERPT: usize = 200;

/// A connection to the service.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    pub(super) to: String,
    authorization: Option<HeaderValue>,
}

/// The answer to a post.
#[derive(Debug, Deserialize)]
pub(super) struct Acknowledgement {
    pub(super) accepted: u64,
    pub(super) rejected: Vec<Rejected>,
    /// Names the post to reads that are to include it.
    pub(super) token: String,
}

/// A line that the service did not take.
#[derive(Debug, Deserialize)]
pub(super) struct Rejected {
    pub(super) error: String,
}

/// A request without its answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The same request may succeed later.
    Passing {
        reason: String,
        /// When, as the service told.
        retry_after: Option<Duration>,
        /// Whether it was too much at a time.
        is_throttled: bool,
    },
    /// Sending it again changes nothing.
    Final(DriveError),
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

impl Client {
    /// Connects at the first request.
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self, DriveError> {
        let to = url.trim_end_matches('/').to_owned();
        let is_service = |uri: &Uri| {
            uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none()
        };
        if !to.parse().is_ok_and(|uri| is_service(&uri)) {
            return Err(DriveError::Address(url.to_owned()));
        }
        let bearer = |token: &str| HeaderValue::try_from(format!("Bearer {token}"));
        let authorization = token.map(bearer).transpose();
        let authorization = authorization.map_err(|_| DriveError::Token)?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // What is measured is the service, not a proxy before it.
            .proxy(None)
            .timeout_global(Some(REQUEST_TIMEOUT));
        Ok(Self { agent: agent.build().into(), to, authorization })
    }

    /// Posts lines.
    pub(super) fn post(&self, lines: &[u8]) -> Result<Acknowledgement, Failure> {
        let url = format!("{}/v1/events", self.to);
        let request = self.authorized(self.agent.post(&url));
        let sent = request.header(CONTENT_TYPE, "application/x-ndjson").send(lines);
        match answer(&url, sent)? {
            (200, body) => read(&url, &body),
            (status, body) => Err(refused(url, status, &body)),
        }
    }

    /// Whether the standings that follow the post `after` tell of `sample`, or of a later second of
    /// the same racer.
    pub(super) fn is_seen(
        &self,
        sample: &Sample,
        after: &Acknowledgement,
    ) -> Result<bool, Failure> {
        let Sample { class_id, race_id, racer_id, second } = *sample;
        let url = format!("{}/v1/races/{class_id}/{race_id}/standings", self.to);
        let request = self.authorized(self.agent.get(&url));
        let request = request.query("around", racer_id.to_string()).query("window", "1");
        match answer(&url, request.query("after", &after.token).call())? {
            (200, body) => {
                let Standings { rows } = read(&url, &body)?;
                Ok(rows.iter().any(|row| row.racer_id == racer_id && row.second >= second))
            }
            // A race or racer that the service does not know, though it acknowledged the event.
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

/// Status and body, which is read to its end, so that the connection can be used again.
fn answer(url: &str, sent: Result<Response<Body>, ureq::Error>) -> Result<(u16, Vec<u8>), Failure> {
    let lost = |error: ureq::Error| Failure::Passing {
        reason: error.to_string(),
        retry_after: None,
        is_throttled: false,
    };
    let mut response = sent.map_err(lost)?;
    let body = response.body_mut().read_to_vec().map_err(lost)?;
    let status = response.status().as_u16();
    if PASSING.contains(&status) {
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let reason = format!("'{url}' answered {status}: {}", message(&body));
        let retry_after = retry_after.map(Duration::from_secs);
        return Err(Failure::Passing { reason, retry_after, is_throttled: status == TOO_MANY });
    }
    Ok((status, body))
}

fn read<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, Failure> {
    let unreadable = |reason| DriveError::Unreadable { url: url.to_owned(), reason };
    serde_json::from_slice(body).map_err(|reason| Failure::Final(unreadable(reason)))
}

fn refused(url: String, status: u16, body: &[u8]) -> Failure {
    Failure::Final(DriveError::Refused { url, status, message: message(body) })
}

/// What an error says, or how another answer begins.
fn message(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(ServiceError { error: Message { message } }) => message,
        Err(_) => String::from_utf8_lossy(body).chars().take(EXCERPT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_an_address_of_a_service_and_nothing_else() {
        for to in ["http://127.0.0.1:80", "http://localhost/", "http://[::1]:8080"] {
            assert!(Client::new(to, None).is_ok(), "{to}");
        }
        for to in ["", "localhost:80", "https://host", "http://", "http://host/v1", "http://h/?a=b"]
        {
            let error = Client::new(to, None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{to}' is no address")), "{error}");
        }
        let client = Client::new("http://host", Some("line\nbreak"));
        assert!(matches!(client, Err(DriveError::Token)));
    }
}
