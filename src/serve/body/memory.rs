//! The memory of all request bodies, and the share of it that a client may use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::serve::client::Client;

/// The memory of all bodies. Clones share it.
///
/// A client may have at most as many bytes as are free. So it can use half of the memory alone, and
/// however many bytes others have, some are free for the next client.
#[derive(Clone)]
pub(in crate::serve) struct BodyMemory(Arc<Mutex<Use>>);

struct Use {
    free: usize,
    /// The bytes of clients that have any.
    by_client: HashMap<Client, usize>,
}

/// The bytes that a body of a client uses. Dropping it frees them.
pub(in crate::serve) struct MemoryShare {
    memory: BodyMemory,
    client: Client,
    bytes: usize,
}

impl BodyMemory {
    /// `bytes` of memory, all free.
    pub(in crate::serve) fn new(bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Use { free: bytes, by_client: HashMap::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, Use> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes that are free.
    pub(in crate::serve) fn free(&self) -> usize {
        self.lock().free
    }

    /// The share of a body of `client`, which has no bytes yet.
    pub(in crate::serve) fn share(&self, client: Client) -> MemoryShare {
        MemoryShare { memory: self.clone(), client, bytes: 0 }
    }
}

impl MemoryShare {
    /// Another share of the same client, without bytes.
    pub(super) fn another(&self) -> Self {
        self.memory.share(self.client)
    }

    /// Adds `bytes`, if the client may have as many. Returns whether it did.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let mut memory = self.memory.lock();
        let used = memory.by_client.get(&self.client).copied().unwrap_or_default();
        let Some(free) = memory.free.checked_sub(bytes) else { return false };
        if used.saturating_add(bytes) > free {
            return false;
        }
        memory.free = free;
        if bytes > 0 {
            memory.by_client.insert(self.client, used + bytes);
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut memory = self.memory.lock();
        memory.free += self.bytes;
        if let Some(used) = memory.by_client.get_mut(&self.client) {
            *used -= self.bytes;
            if *used == 0 {
                memory.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_leaves_as_much_as_it_uses_to_others() {
        let memory = BodyMemory::new(120);
        let share = |token| memory.share(Client::Token(token));
        let (mut first, mut second, mut third) = (share(1), share(2), share(3));
        assert!(first.grow(60) && !first.grow(1));
        assert!(!share(1).grow(1), "another body of the same client");
        assert!(second.grow(30) && !second.grow(1));
        assert!(third.grow(15) && !third.grow(1));
        assert_eq!(memory.free(), 15);
        drop((first, second));
        assert!(third.grow(45));
        drop(third);
        assert_eq!(memory.free(), 120);
        assert!(memory.lock().by_client.is_empty());
    }
}
