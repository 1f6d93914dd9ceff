//! Connections into a stream: each has its share of the keys, whose records it puts in their order.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::super::random::Random;
use super::course::Course;
use super::lane::{Lane, Picked, Put};
use super::rate::TICK;
use super::{Drive, DriveError, Events};
use crate::kinesis::put::{KEY_CHARS_MAX, RECORD_BYTES_MAX, RECORDS_MAX, Verdict, Writer};

/// Records that wait for a connection.
const AHEAD: usize = RECORDS_MAX;
/// Records among which it looks for those that it may send: twice a request's, so that a full one can be had
/// while some of the keys wait.
const WINDOW: usize = 2 * RECORDS_MAX;
/// The key of what names no racer and no project, as it is no event.
const NO_KEY: &str = "none";

/// Starts the connections of `drive`, and what deals the records to them; each keeps `driving` until it ends.
pub(super) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    writer: &'env Writer,
    events: &'env Events,
    drive: &'env Drive,
    course: &'scope Course<'_>,
    driving: SyncSender<()>,
) {
    let mut lanes = Vec::new();
    for number in 0..drive.connections.get() {
        let (sender, puts) = sync_channel(AHEAD);
        lanes.push(sender);
        let driving = driving.clone();
        let (lane, random) = (Lane::default(), Random::new(number as u64, 0, 0));
        let connection = Connection { writer, course, lane, random, batch: drive.batch };
        scope.spawn(move || {
            connection.run(&puts);
            drop(driving);
        });
    }
    // Connections that end are gone from their queues, which ends this thread, as its end ends them.
    scope.spawn(move || deal(events, drive, &lanes, course));
}

/// Sends each line to the connection of its key.
fn deal(events: &Events, drive: &Drive, lanes: &[SyncSender<Put>], course: &Course<'_>) {
    for batch in events.batches() {
        let (start_ms, batch) = match batch {
            Ok((start_ms, batch)) => (start_ms, Arc::new(batch)),
            Err(error) => return course.fail(error.into()),
        };
        let mut begin = 0;
        for line in batch.lines() {
            // A record is an event; the newline is for what has several.
            let text = begin..begin + line.bytes.trim_ascii_end().len();
            begin += line.bytes.len();
            let key = key(line.bytes);
            if text.len() + key.len() > RECORD_BYTES_MAX {
                course.tally().reject(format!("a record has at most {RECORD_BYTES_MAX} bytes"));
                continue;
            }
            let lane = xxh3_64(key.as_bytes()) % lanes.len() as u64;
            let due = drive.rate.due(line.arrival_ms.saturating_sub(start_ms));
            let put = Put { batch: Arc::clone(&batch), text, key, due };
            if lanes.get(lane as usize).is_none_or(|lane| lane.send(put).is_err()) {
                return;
            }
        }
    }
}

/// What the shard of a line is told by: its racer, or its project.
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

/// A connection and its way through the drive.
struct Connection<'a> {
    writer: &'a Writer,
    course: &'a Course<'a>,
    lane: Lane,
    /// Spreads the times at which records are sent again.
    random: Random,
    /// Most records in a request.
    batch: NonZeroUsize,
}

impl Connection<'_> {
    /// Puts `puts` until there are no more, or the drive is over.
    fn run(mut self, puts: &Receiver<Put>) {
        while self.fill(puts) && !self.course.is_over() {
            let now = self.course.now();
            if let Some(picked) = self.lane.pick(now, self.batch.get().min(RECORDS_MAX)) {
                if let Err(error) = self.put(&picked) {
                    self.course.fail(error);
                }
            } else {
                // What comes meanwhile may be of a key that does not wait.
                let next = self.lane.next_at().unwrap_or(now).min(now + TICK);
                self.course.wait_until(next);
            }
        }
    }

    /// Takes what there is, as far as there is room, and waits for it where nothing else is left to do; false
    /// where there is nothing more.
    fn fill(&mut self, puts: &Receiver<Put>) -> bool {
        if self.lane.len() == 0 {
            let Ok(put) = puts.recv() else { return false };
            self.lane.push(put);
        }
        let room = WINDOW.saturating_sub(self.lane.len());
        puts.try_iter().take(room).for_each(|put| self.lane.push(put));
        true
    }

    /// Sends one request.
    fn put(&mut self, picked: &Picked) -> Result<(), DriveError> {
        let verdicts = self.writer.put(&self.lane.records(picked))?;
        let now = self.course.now();
        let took = self.lane.settle(picked, &verdicts, now, || self.random.unit());
        let throttled = verdicts.iter().filter(|verdict| **verdict == Verdict::Throttled).count();
        let mut tally = self.course.tally();
        tally.resent += picked.again;
        tally.put(&took, throttled, now, picked.lag);
        drop(tally);
        let failed = verdicts.into_iter().find_map(|verdict| match verdict {
            Verdict::Failed(reason) => Some(reason),
            Verdict::Taken | Verdict::Throttled => None,
        });
        match failed.filter(|_| self.course.is_silent_since(picked.since)) {
            None => Ok(()),
            Some(reason) => {
                let to = self.writer.stream().to_string();
                Err(DriveError::Silent { to, seconds: self.course.patience.as_secs(), reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_by_their_racer_or_project() {
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
