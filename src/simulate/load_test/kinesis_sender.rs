//! Senders of records to a stream, one for each connection: each sends the records of its share of the
//! keys in order.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::super::random::Random;
use super::config::LoadTest;
use super::error::LoadTestError;
use super::event_source::EventSource;
use super::rate::SEND_INTERVAL;
use super::record_queue::{PickedRecords, QueuedRecord, RecordQueue};
use super::session::Session;
use crate::kinesis::put::{KEY_CHARS_MAX, PutOutcome, RECORD_BYTES_MAX, RECORDS_MAX, StreamWriter};

/// The capacity of a sender's channel, in records.
const CHANNEL_RECORDS: usize = RECORDS_MAX;
/// The capacity of a sender's queue, in records: twice that of a request, so that a request can be full
/// although some keys have to wait.
const QUEUE_RECORDS: usize = 2 * RECORDS_MAX;
/// The key of a line without racer or project, which is not an event.
const NO_KEY: &str = "none";

/// Starts the senders, and the thread that distributes records to them. Each sender holds a clone of
/// `running` until it ends.
pub(super) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    writer: &'env StreamWriter,
    events: &'env EventSource,
    config: &'env LoadTest,
    session: &'scope Session<'_>,
    running: SyncSender<()>,
) {
    let mut senders = Vec::new();
    for number in 0..config.connections.get() {
        let (sender, records) = sync_channel(CHANNEL_RECORDS);
        senders.push(sender);
        let running = running.clone();
        let (queue, random) = (RecordQueue::default(), Random::new(number as u64, 0, 0));
        let sender = KinesisSender { writer, session, queue, random, batch: config.batch };
        scope.spawn(move || {
            sender.run(&records);
            drop(running);
        });
    }
    // When a sender ends, this thread ends too. That closes all channels, which ends the other senders.
    scope.spawn(move || distribute(events, config, &senders, session));
}

/// Passes each line to the sender of its key.
fn distribute(
    events: &EventSource,
    config: &LoadTest,
    senders: &[SyncSender<QueuedRecord>],
    session: &Session<'_>,
) {
    for batch in events.batches() {
        let (start_ms, batch) = match batch {
            Ok((start_ms, batch)) => (start_ms, Arc::new(batch)),
            Err(error) => return session.fail(error.into()),
        };
        let mut begin = 0;
        for line in batch.lines() {
            // A record has one event, so it needs no newline.
            let text = begin..begin + line.bytes.trim_ascii_end().len();
            begin += line.bytes.len();
            let key = key(line.bytes);
            if text.len() + key.len() > RECORD_BYTES_MAX {
                let reason = format!("a record can have at most {RECORD_BYTES_MAX} bytes");
                session.stats().reject(reason);
                continue;
            }
            let sender = xxh3_64(key.as_bytes()) % senders.len() as u64;
            let due = config.rate.due(line.arrival_ms.saturating_sub(start_ms));
            let record = QueuedRecord { batch: Arc::clone(&batch), text, key, due };
            if senders.get(sender as usize).is_none_or(|sender| sender.send(record).is_err()) {
                return;
            }
        }
    }
}

/// The partition key of a line: its racer, or its project.
fn key(line: &[u8]) -> Box<str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Keys<'a> {
        racer_id: Option<u64>,
        #[serde(borrow)]
        project_id: Option<Cow<'a, str>>,
    }
    let key = match serde_json::from_slice(line) {
        Ok(Keys { racer_id: Some(racer), .. }) => racer.to_string(),
        Ok(Keys { project_id: Some(project), .. }) => project.chars().take(KEY_CHARS_MAX).collect(),
        _ => String::new(),
    };
    if key.is_empty() { NO_KEY.into() } else { key.into() }
}

/// A connection, and the thread that uses it.
struct KinesisSender<'a> {
    writer: &'a StreamWriter,
    session: &'a Session<'a>,
    queue: RecordQueue,
    /// Spreads the times at which records are sent again.
    random: Random,
    /// The maximum number of records in a request.
    batch: NonZeroUsize,
}

impl KinesisSender<'_> {
    /// Sends records until there are no more, or the load test is over.
    fn run(mut self, records: &Receiver<QueuedRecord>) {
        while self.fill(records) && !self.session.is_over() {
            let now = self.session.now();
            if let Some(picked) = self.queue.pick(now, self.batch.get().min(RECORDS_MAX)) {
                if let Err(error) = self.send(&picked) {
                    self.session.fail(error);
                }
            } else {
                // Waits for at most one send interval, because a record that arrives meanwhile may have
                // a key that need not wait.
                let next = self.queue.next_at().unwrap_or(now).min(now + SEND_INTERVAL);
                self.session.wait_until(next);
            }
        }
    }

    /// Fills the queue with the available records. Waits for one if the queue is empty. Returns false
    /// when there are no more.
    fn fill(&mut self, records: &Receiver<QueuedRecord>) -> bool {
        if self.queue.len() == 0 {
            let Ok(record) = records.recv() else { return false };
            self.queue.push(record);
        }
        let room = QUEUE_RECORDS.saturating_sub(self.queue.len());
        records.try_iter().take(room).for_each(|record| self.queue.push(record));
        true
    }

    /// Sends a request.
    fn send(&mut self, picked: &PickedRecords) -> Result<(), LoadTestError> {
        let outcomes = self.writer.put(&self.queue.records(picked))?;
        let now = self.session.now();
        let latencies = self.queue.settle(picked, &outcomes, now, || self.random.unit());
        let is_throttled = |outcome: &&PutOutcome| **outcome == PutOutcome::Throttled;
        let throttled = outcomes.iter().filter(is_throttled).count();
        let mut stats = self.session.stats();
        stats.resent += picked.resent;
        stats.put(&latencies, throttled, now, picked.lag);
        drop(stats);
        let failed = outcomes.into_iter().find_map(|outcome| match outcome {
            PutOutcome::Failed(reason) => Some(reason),
            PutOutcome::Accepted | PutOutcome::Throttled => None,
        });
        match failed.filter(|_| self.session.is_timed_out_since(picked.since)) {
            None => Ok(()),
            Some(reason) => {
                let to = self.writer.stream().to_string();
                let seconds = self.session.silence_timeout.as_secs();
                Err(LoadTestError::Silent { to, seconds, reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_line_is_its_racer_or_project() {
        for (line, expected) in [
            (r#"{"racerId":103,"classId":1}"#, "103"),
            (r#"{"projectId":"intr\u006f"}"#, "intro"),
            (r#"{"projectId":""}"#, NO_KEY),
            (r#"{"racerId":"x"}"#, NO_KEY),
            ("no event", NO_KEY),
        ] {
            assert_eq!(&*key(line.as_bytes()), expected);
        }
        let long = format!(r#"{{"projectId":"{}"}}"#, "ä".repeat(300));
        assert_eq!(*key(long.as_bytes()), *"ä".repeat(256));
    }
}
