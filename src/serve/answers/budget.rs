//! The bound on the bytes of all answers that wait to be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;

use crate::serve::error::ApiError;

/// The bytes of answers in memory, of all clients. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::serve) struct AnswerBudget {
    used: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// Bytes of an answer that count against a budget until they are dropped.
#[derive(Debug)]
pub(in crate::serve) struct AnswerBytes {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

/// Marks a response whose body already counts, because clients share it.
#[derive(Clone, Copy)]
pub(super) struct Counted;

impl AnswerBudget {
    /// A budget of `bytes_max`.
    pub(in crate::serve) fn new(bytes_max: usize) -> Self {
        Self { used: Arc::default(), bytes_max }
    }

    /// The bytes that count now.
    pub(in crate::serve) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Counts `bytes` of an answer.
    ///
    /// # Errors
    /// 503 `answers_full` if the answers of all clients would be over the budget.
    pub(in crate::serve) fn acquire(&self, bytes: usize) -> Result<AnswerBytes, ApiError> {
        let next = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.bytes_max);
        let acquired = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        acquired.map_err(|_| self.full())?;
        Ok(AnswerBytes { used: Arc::clone(&self.used), bytes })
    }

    fn full(&self) -> ApiError {
        metrics::counter!("velodrome_answers_refused_total").increment(1);
        let message = format!(
            "answers of {} bytes wait for clients to read them; try again in a second",
            self.bytes_max
        );
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "answers_full", message).retry_after(1)
    }
}

impl Drop for AnswerBytes {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
