//! A workload as one stream of lines, made by several threads and written in order by one.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::{Batch, Workload};

/// Batches that wait for the writer, of each thread; a thread ahead of it by more waits as well.
const AHEAD: usize = 2;

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines.
    pub lines: u64,
    /// Bytes of JSON, newlines included.
    pub json_bytes: u64,
    /// Bytes as stored: the same, or less where they are compressed.
    pub stored_bytes: u64,
}

impl Written {
    /// The sum of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            json_bytes: self.json_bytes + other.json_bytes,
            stored_bytes: self.stored_bytes + other.stored_bytes,
        }
    }
}

/// Writes all lines of `workload` to `out`, made by `threads` threads, and tells `progress` how
/// many lines each write had.
///
/// # Errors
/// The first write that failed.
pub fn write(
    workload: &Workload,
    out: &mut impl Write,
    threads: NonZeroUsize,
    progress: impl Fn(u64),
) -> io::Result<Written> {
    let threads = threads.get();
    thread::scope(|scope| {
        let made = (0..threads).map(|own| {
            let (sender, receiver) = sync_channel(AHEAD);
            scope.spawn(move || make(workload, own, threads, &sender));
            receiver
        });
        let made: Vec<_> = made.collect();
        let mut written = Written::default();
        // The thread whose turn it is has ended only when all batches before its next were taken,
        // and then no other has one left. Receivers that are gone end the threads after an error.
        for batch in made.iter().cycle().map_while(|receiver| receiver.recv().ok()) {
            out.write_all(batch.text())?;
            written.lines += batch.len() as u64;
            written.json_bytes += batch.text().len() as u64;
            progress(batch.len() as u64);
        }
        out.flush()?;
        Ok(Written { stored_bytes: written.json_bytes, ..written })
    })
}

/// Makes every batch that is the turn of thread `own` out of `threads`.
fn make(workload: &Workload, own: usize, threads: usize, sender: &SyncSender<Batch>) {
    let batches = u64::from(workload.batches());
    let mut race = workload.race(0);
    for number in (own as u64..workload.races() * batches).step_by(threads) {
        if race.window != number / batches {
            race = workload.race(number / batches);
        }
        if sender.send(race.batch((number % batches) as u32)).is_err() {
            return;
        }
    }
}
