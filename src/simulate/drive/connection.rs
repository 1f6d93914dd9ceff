//! One connection: posts and probes, one after the other.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;
use std::time::Duration;

use super::super::random::Random;
use super::client::{Client, Failure};
use super::course::Course;
use super::posts::{self, Post};
use super::rate::TICK;
use super::{Drive, DriveError, Events};

/// Posts that wait, for each connection: with ticks of 20 ms and 8 connections a third of a second,
/// in which the next lines are made.
const AHEAD: usize = 2;
/// Where posts must not wait, or wait already, one in this many is looked for.
const PROBE_ONE_IN: u64 = 16;
/// First wait before sending again, in ms, and the greatest: from a group commit to a restart.
const PAUSE_MS: (u64, u64) = (50, 2_000);

/// Starts a connection for each of `clients`, and what makes their posts; each keeps `driving` until it ends.
pub(super) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    clients: Vec<Client>,
    events: &'env Events,
    drive: &'env Drive,
    course: &'scope Course<'_>,
    driving: SyncSender<()>,
) {
    let (sender, posts) = sync_channel(clients.len() * AHEAD);
    let posts = Arc::new(Mutex::new(posts));
    // With the last connection the queue is gone, which ends this thread.
    scope.spawn(move || {
        let mut posts = posts::posts(events, drive);
        posts.try_for_each(|post| match post {
            Ok(post) => sender.send(post).ok(),
            Err(error) => {
                course.fail(error.into());
                None
            }
        })
    });
    for (number, client) in clients.into_iter().enumerate() {
        let (posts, driving) = (Arc::clone(&posts), driving.clone());
        let connection = Connection::new(number, client, course);
        scope.spawn(move || {
            connection.run(&posts);
            drop(driving);
        });
    }
}

/// A connection and its way through the drive.
struct Connection<'a> {
    client: Client,
    course: &'a Course<'a>,
    /// Spreads the times at which connections send again.
    random: Random,
    posts: u64,
}

impl<'a> Connection<'a> {
    /// Connection `number` (from 0) of the drive.
    fn new(number: usize, client: Client, course: &'a Course<'a>) -> Self {
        Self { client, course, random: Random::new(number as u64, 0, 0), posts: 0 }
    }

    /// Sends `posts` until there are no more, or the drive is over.
    fn run(mut self, posts: &Mutex<Receiver<Post>>) {
        let next = || posts.lock().ok()?.recv().ok();
        while let Some(post) = next().filter(|_| !self.course.is_over()) {
            if let Err(error) = self.send(&post) {
                self.course.fail(error);
            }
        }
    }

    /// Sends a post when it is due, and looks for it.
    fn send(&mut self, post: &Post) -> Result<(), DriveError> {
        if post.due.is_some_and(|due| !self.course.wait_until(due)) {
            return Ok(());
        }
        let begin = self.course.now();
        let lag = post.due.map(|due| begin.saturating_sub(due));
        let mut tries = 0;
        let acknowledgement = self.persist(|client, course| {
            course.tally().resent += u64::from(tries > 0);
            tries += 1;
            client.post(post.text())
        })?;
        let Some(acknowledgement) = acknowledgement else { return Ok(()) };
        self.course.tally().acknowledge(&acknowledgement, begin, self.course.now(), lag);

        let number = self.posts;
        self.posts += 1;
        // A line that was rejected is nowhere to be seen.
        if !is_probed(number, lag) || !acknowledgement.rejected.is_empty() {
            return Ok(());
        }
        let Some(sample) = post.sample() else { return Ok(()) };
        let seen = self.persist(|client, _| client.is_seen(&sample, &acknowledgement))?;
        if let Some(seen) = seen {
            self.course.tally().probe(seen, self.course.now().saturating_sub(begin));
        }
        Ok(())
    }

    /// Asks until there is an answer; none where the drive is over before.
    fn persist<T>(
        &mut self,
        mut ask: impl FnMut(&Client, &Course<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, DriveError> {
        let first = self.course.now();
        let mut tries = 0;
        loop {
            let (reason, retry_after, is_throttled) = match ask(&self.client, self.course) {
                Ok(answer) => return Ok(Some(answer)),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { reason, retry_after, is_throttled }) => {
                    (reason, retry_after, is_throttled)
                }
            };
            self.course.tally().throttled += u64::from(is_throttled);
            if self.course.is_silent_since(first) {
                let (to, seconds) = (self.client.to.clone(), self.course.patience.as_secs());
                return Err(DriveError::Silent { to, seconds, reason });
            }
            let pause = pause(retry_after, tries, self.random.unit()).min(self.course.patience);
            if !self.course.wait_until(self.course.now() + pause) {
                return Ok(None);
            }
            tries += 1;
        }
    }
}

/// Whether post `number` (from 0) of a connection is looked for: each where posts go out in time,
/// as then the connection has the time for it.
fn is_probed(number: u64, lag: Option<Duration>) -> bool {
    lag.is_some_and(|lag| lag <= TICK) || number.is_multiple_of(PROBE_ONE_IN)
}

/// How long to wait after `tries` waits: what the service asked for, if it asked, or twice as long
/// each time, of which `chance` (0 to 1) takes up to half away.
pub(super) fn pause(retry_after: Option<Duration>, tries: u32, chance: f64) -> Duration {
    let (first_ms, most_ms) = PAUSE_MS;
    let pause_ms = first_ms.saturating_mul(2_u64.saturating_pow(tries)).min(most_ms);
    let own = Duration::from_millis(pause_ms).mul_f64(1.0 - chance / 2.0);
    retry_after.filter(|asked| !asked.is_zero()).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_as_told_else_twice_as_long_each_time_up_to_two_seconds() {
        let ms = Duration::from_millis;
        assert_eq!(pause(Some(ms(3_000)), 0, 0.5), ms(3_000));
        let pauses = [0, 1, 5, 6, 40, u32::MAX].map(|tries| pause(None, tries, 0.0));
        assert_eq!(pauses, [50, 100, 1_600, 2_000, 2_000, 2_000].map(ms));
        assert_eq!(pause(None, 0, 1.0), ms(25));
        assert_eq!(pause(Some(ms(0)), 0, 0.0), ms(50));
    }

    #[test]
    fn looks_for_each_post_in_time_and_for_one_in_16_else() {
        let probed = |lag: Option<Duration>| (0..160).filter(|&n| is_probed(n, lag)).count();
        assert_eq!(probed(Some(TICK)), 160);
        assert_eq!(probed(Some(TICK + Duration::from_millis(1))), 10);
        assert_eq!(probed(None), 10);
    }
}
