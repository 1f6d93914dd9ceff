//! Limits the bytes that wait between timely's workers and its network threads.
//!
//! Timely's queues are unbounded: while a peer accepts no bytes, or a worker consumes none, they grow
//! without limit. Timely has a hook that may move a queue's bytes to disk. This one counts them, and
//! ends the generation when there are too many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use timely::communication::allocator::zero_copy::bytes_exchange::QueueEntry;
use timely::communication::allocator::zero_copy::spill::{SpillPolicy, SpillPolicyFn};

use super::fate::Fate;

/// A hook that ends `fate` when a queue has more than `bytes_max` bytes. There is one queue in each
/// direction between each worker and each peer. `names` has the name of each node.
pub(super) fn queue_limit(fate: &Fate, bytes_max: usize, names: Vec<String>) -> SpillPolicyFn {
    let fate = fate.clone();
    Arc::new(move || {
        let was_drained = Arc::new(AtomicBool::new(false));
        let reader = MarkDrained(Arc::clone(&was_drained));
        let (fate, cause) = (fate.clone(), cause(&names));
        let writer = CountBytes { fate, cause, bytes_max, was_drained, entries: 0, bytes: 0 };
        (Box::new(writer), Box::new(reader))
    })
}

/// Why the queue of the current thread can grow. Timely creates a queue on the thread that reads it.
fn cause(names: &[String]) -> String {
    let current = thread::current();
    let node = current.name().and_then(|name| name.strip_prefix("timely:send-")?.parse().ok());
    match node.and_then(|node: usize| names.get(node)) {
        Some(name) => format!("{name} is lost: it reads too slowly"),
        None => "a worker of this node is too slow".to_owned(),
    }
}

/// Counts the bytes of a queue whenever some are appended, while the queue is locked.
struct CountBytes {
    fate: Fate,
    cause: String,
    bytes_max: usize,
    was_drained: Arc<AtomicBool>,
    /// Entries that have been counted. The last entry of the queue is not, because it may still grow.
    entries: usize,
    bytes: usize,
}

impl SpillPolicy for CountBytes {
    fn apply(&mut self, queue: &mut VecDeque<QueueEntry>) {
        if self.was_drained.swap(false, Ordering::Relaxed) {
            (self.entries, self.bytes) = (0, 0);
        }
        let Some(last) = queue.len().checked_sub(1) else { return };
        self.bytes += queue.range(self.entries.min(last)..last).map(length).sum::<usize>();
        self.entries = last;
        let bytes = self.bytes + queue.back().map_or(0, length);
        if bytes > self.bytes_max && !self.fate.has_ended() {
            let Self { cause, bytes_max, .. } = self;
            self.fate.end(format!("{cause}: {bytes} bytes wait, and {bytes_max} are allowed"));
        }
    }
}

fn length(entry: &QueueEntry) -> usize {
    match entry {
        QueueEntry::Bytes(bytes) => bytes.len(),
        QueueEntry::Paged(_) => 0,
    }
}

/// Runs before the reader takes all entries of a queue, while the queue is locked.
struct MarkDrained(Arc<AtomicBool>);

impl SpillPolicy for MarkDrained {
    fn apply(&mut self, _: &mut VecDeque<QueueEntry>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use timely::bytes::arc::BytesMut;
    use timely::communication::allocator::zero_copy::bytes_exchange::{
        BytesPull, BytesPush, MergeQueue,
    };

    use super::*;

    #[test]
    fn only_bytes_that_wait_count() {
        let fate = Fate::default();
        let (writer, reader) = queue_limit(&fate, 1_000, Vec::new())();
        let (mut writer, mut reader) =
            MergeQueue::new_pair(Default::default(), Some(writer), Some(reader));
        let mut push = |bytes: usize| {
            // Entries that timely cannot merge.
            writer.extend((0..bytes / 10).map(|_| BytesMut::from(vec![0; 10]).freeze()));
        };
        for _ in 0..5 {
            push(500);
            push(500);
            assert_eq!(fate.reason(), None);
            reader.drain_into(&mut Vec::new());
        }
        push(500);
        push(510);
        let expected = "a worker of this node is too slow: 1010 bytes wait, and 1000 are allowed";
        assert_eq!(fate.reason(), Some(expected));
    }
}
