//! Senders of HTTP requests, one for each connection. Each sends one request at a time: a batch, or a
//! probe.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;
use std::time::Duration;

use super::super::random::Random;
use super::backoff::pause;
use super::config::LoadTest;
use super::error::LoadTestError;
use super::event_source::EventSource;
use super::http_client::{Failure, HttpClient};
use super::post_batch::{PostBatch, post_batches};
use super::rate::SEND_INTERVAL;
use super::session::Session;

/// The capacity of the queue of batches, for each connection. At one batch every 20 ms, 8 connections
/// leave a third of a second to generate the next lines.
const QUEUED_BATCHES: usize = 2;
/// At rate max, or when sending lags, one batch out of this many is probed.
const PROBE_ONE_IN: u64 = 16;

/// Starts a sender for each of `clients`, and the thread that generates their batches. Each sender holds
/// a clone of `running` until it ends.
pub(super) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    clients: Vec<HttpClient>,
    events: &'env EventSource,
    config: &'env LoadTest,
    session: &'scope Session<'_>,
    running: SyncSender<()>,
) {
    let (sender, batches) = sync_channel(clients.len() * QUEUED_BATCHES);
    let batches = Arc::new(Mutex::new(batches));
    // The last sender that ends drops the queue, which ends this thread.
    scope.spawn(move || {
        post_batches(events, config).try_for_each(|batch| match batch {
            Ok(batch) => sender.send(batch).ok(),
            Err(error) => {
                session.fail(error.into());
                None
            }
        })
    });
    for (number, client) in clients.into_iter().enumerate() {
        let (batches, running) = (Arc::clone(&batches), running.clone());
        let sender = HttpSender::new(number, client, config, session);
        scope.spawn(move || {
            sender.run(&batches);
            drop(running);
        });
    }
}

/// A connection, and the thread that uses it.
struct HttpSender<'a> {
    client: HttpClient,
    session: &'a Session<'a>,
    is_probing: bool,
    /// Spreads the times at which senders retry.
    random: Random,
    /// The number of batches that were acknowledged.
    acknowledged: u64,
}

impl<'a> HttpSender<'a> {
    /// The sender with this number, counted from 0.
    fn new(number: usize, client: HttpClient, config: &LoadTest, session: &'a Session<'a>) -> Self {
        let random = Random::new(number as u64, 0, 0);
        Self { client, session, is_probing: config.is_probed, random, acknowledged: 0 }
    }

    /// Sends batches until there are no more, or the load test is over.
    fn run(mut self, batches: &Mutex<Receiver<PostBatch>>) {
        let next = || batches.lock().ok()?.recv().ok();
        while let Some(batch) = next().filter(|_| !self.session.is_over()) {
            if let Err(error) = self.send(&batch) {
                self.session.fail(error);
            }
        }
    }

    /// Sends a batch when it is due, and probes it.
    fn send(&mut self, batch: &PostBatch) -> Result<(), LoadTestError> {
        if batch.due.is_some_and(|due| !self.session.wait_until(due)) {
            return Ok(());
        }
        let begin = self.session.now();
        let lag = batch.due.map(|due| begin.saturating_sub(due));
        let mut attempts = 0;
        let acknowledgement = self.retry(|client, session| {
            session.stats().resent += u64::from(attempts > 0);
            attempts += 1;
            client.post(batch.text())
        })?;
        let Some(acknowledgement) = acknowledgement else { return Ok(()) };
        let end = self.session.now();
        self.session.stats().acknowledge(&acknowledgement, begin, end, lag);

        let number = self.acknowledged;
        self.acknowledged += 1;
        // A rejected line is not in the standings.
        if !self.is_probing || !is_probed(number, lag) || !acknowledgement.rejected.is_empty() {
            return Ok(());
        }
        let Some(sample) = batch.sample() else { return Ok(()) };
        let is_shown = self.retry(|client, _| client.is_shown(&sample, &acknowledgement))?;
        if let Some(is_shown) = is_shown {
            let latency = self.session.now().saturating_sub(begin);
            self.session.stats().probe(is_shown, latency);
        }
        Ok(())
    }

    /// Sends a request until it succeeds. Returns `None` if the load test ends first.
    fn retry<T>(
        &mut self,
        mut request: impl FnMut(&HttpClient, &Session<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, LoadTestError> {
        let first = self.session.now();
        let mut attempts = 0;
        loop {
            let (reason, retry_after, is_throttled) = match request(&self.client, self.session) {
                Ok(response) => return Ok(Some(response)),
                Err(Failure::Permanent(error)) => return Err(error),
                Err(Failure::Transient { reason, retry_after, is_throttled }) => {
                    (reason, retry_after, is_throttled)
                }
            };
            self.session.stats().throttled += u64::from(is_throttled);
            let timeout = self.session.silence_timeout;
            if self.session.is_timed_out_since(first) {
                let (to, seconds) = (self.client.to().to_owned(), timeout.as_secs());
                return Err(LoadTestError::Silent { to, seconds, reason });
            }
            if !is_throttled {
                self.client.use_next();
            }
            let pause = pause(retry_after, attempts, self.random.unit()).min(timeout);
            if !self.session.wait_until(self.session.now() + pause) {
                return Ok(None);
            }
            attempts += 1;
        }
    }
}

/// Whether to probe the batch with this number (counted from 0) of a connection. Every batch that was
/// sent in time is probed, because the connection would be idle anyway.
fn is_probed(number: u64, lag: Option<Duration>) -> bool {
    lag.is_some_and(|lag| lag <= SEND_INTERVAL) || number.is_multiple_of(PROBE_ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_in_time_is_probed_and_one_in_16_of_the_others() {
        let probed = |lag: Option<Duration>| (0..160).filter(|&n| is_probed(n, lag)).count();
        assert_eq!(probed(Some(SEND_INTERVAL)), 160);
        assert_eq!(probed(Some(SEND_INTERVAL + Duration::from_millis(1))), 10);
        assert_eq!(probed(None), 10);
    }
}
