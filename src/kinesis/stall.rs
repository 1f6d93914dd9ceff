//! Detects a shard that cannot be read, although no call fails.

use super::shard_reader::Batch;

/// The number of empty responses in a row, none of which is closer to the newest record, after which a
/// shard cannot be read. It is a minute of responses.
const STALLED_MAX: u32 = 300;

/// Detects a shard whose responses make no progress.
pub(super) struct Stall {
    /// The least `behind_ms` of all responses.
    behind_ms: u64,
    /// The number of responses since then.
    responses: u32,
}

impl Default for Stall {
    fn default() -> Self {
        Self { behind_ms: u64::MAX, responses: 0 }
    }
}

impl Stall {
    /// Checks the next response.
    pub(super) fn check(&mut self, batch: &Batch) -> Result<(), String> {
        if !batch.records.is_empty() || batch.behind_ms < self.behind_ms {
            self.behind_ms = self.behind_ms.min(batch.behind_ms);
            self.responses = 0;
            return Ok(());
        }
        self.responses += 1;
        match self.responses < STALLED_MAX {
            true => Ok(()),
            false => Err(format!(
                "kinesis:GetRecords returned no record in {STALLED_MAX} calls, although it is {} s behind \
                 the newest one; run the command again",
                batch.behind_ms / 1_000
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_makes_no_progress_is_an_error() {
        let batch =
            |behind_ms| Batch { records: vec![], behind_ms, polled_ms: 0, is_closed: false };
        let mut stall = Stall::default();
        for behind_ms in (1..=2 * u64::from(STALLED_MAX)).rev() {
            stall.check(&batch(behind_ms)).unwrap();
        }
        (1..STALLED_MAX).for_each(|_| stall.check(&batch(5_000)).unwrap());
        let message = stall.check(&batch(5_000)).unwrap_err();
        assert!(message.contains("no record in 300 calls, although it is 5 s behind"), "{message}");
    }
}
