//! Queries and ban changes: the commands that a worker replies to.

use std::sync::Arc;

use tokio::sync::oneshot;
use velodrome_dataflows::{Answer, Ban, EventTime, Query};

use super::command::Command;
use super::error::EngineError;
use super::handle::Engine;

impl Engine {
    /// Answers a query as of the complete time, which is returned with the answer.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when the command queue is full, [`EngineError::Stopped`] when the workers
    /// end, [`EngineError::NoGeneration`] when there are none.
    pub async fn query(&self, query: Query) -> Result<(EventTime, Answer), EngineError> {
        let mut workers = self.workers();
        loop {
            let (reply, answer) = oneshot::channel();
            let worker = workers.first().ok_or(EngineError::NoGeneration)?;
            let error = match worker.try_send(Command::Query(query.clone(), reply)) {
                Ok(()) => match answer.await {
                    Ok(answer) => return Ok(answer),
                    Err(_) => EngineError::Stopped,
                },
                Err(error) => error,
            };
            let current = self.workers();
            if error == EngineError::Busy || Arc::ptr_eq(&workers, &current) {
                return Err(error);
            }
            // The service switched to other workers before the previous ones answered: ask the new ones.
            workers = current;
        }
    }

    /// Changes bans and returns the time from which on all answers include the change.
    ///
    /// The caller must not ban a banned racer or lift a ban that does not exist. Blocks the calling
    /// thread, which must not be a thread of an async runtime.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] when the workers end.
    pub fn apply_bans(&self, bans: Vec<Ban>) -> Result<EventTime, EngineError> {
        self.send_ban_command(bans)?.blocking_recv().map_err(|_| EngineError::Stopped)
    }

    /// Changes bans as [`Engine::apply_bans`] does, without waiting for the time.
    ///
    /// # Errors
    /// [`EngineError::NoGeneration`] when there are no workers.
    pub fn send_bans(&self, bans: Vec<Ban>) -> Result<(), EngineError> {
        self.send_ban_command(bans).map(drop)
    }

    fn send_ban_command(
        &self,
        bans: Vec<Ban>,
    ) -> Result<oneshot::Receiver<EventTime>, EngineError> {
        let (reply, time) = oneshot::channel();
        let workers = self.workers();
        workers.first().ok_or(EngineError::NoGeneration)?.send(Command::Ban(bans, reply));
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use velodrome_dataflows::Rules;

    use super::super::command_channel::CommandReceiver;
    use super::super::test_support::engine;
    use super::*;

    /// The reply channel of the next query in the queue.
    async fn next_query(commands: &CommandReceiver) -> oneshot::Sender<(EventTime, Answer)> {
        loop {
            match commands.try_recv() {
                Ok(Command::Query(Query::Classes, reply)) => return reply,
                Ok(other) => panic!("{other:?}"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    #[tokio::test]
    async fn a_query_is_sent_again_to_the_workers_that_the_service_switches_to() {
        let ((active, commands), (next, next_commands)) = (engine(), engine());
        let next = next.with_rules(Rules { divisor: 50.0, ..Rules::default() });
        let query = |engine: &Engine| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.query(Query::Classes).await })
        };
        let (waiting, reply) = (query(&active), next_query(&commands).await);
        active.switch_to(&next);
        assert_eq!(active.rules().rules().divisor, 50.0);
        // The previous workers end without an answer.
        drop((reply, commands));
        let answer = (9, Answer::Classes(Vec::new()));
        next_query(&next_commands).await.send(answer.clone()).unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(answer));

        let (waiting, reply) = (query(&active), next_query(&next_commands).await);
        drop((reply, next_commands));
        assert_eq!(waiting.await.unwrap(), Err(EngineError::Stopped));
    }
}
