//! A limit of concurrent requests or streams for each client.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::serve::client::client_of;

/// Slots in use, by client. A client without any has no entry.
type InUse = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The slots of all clients.
pub(super) struct ClientSlots {
    in_use: InUse,
    slots_max: usize,
}

/// A slot in use; dropping it frees the slot.
pub(in crate::serve) struct ClientSlot {
    client: IpAddr,
    in_use: InUse,
}

impl ClientSlots {
    /// `slots_max` slots for each client, all free.
    pub(super) fn new(slots_max: usize) -> Self {
        Self { in_use: InUse::default(), slots_max }
    }

    /// A slot for the client of `peer`, or `None` if all are in use.
    pub(super) fn acquire(&self, peer: IpAddr) -> Option<ClientSlot> {
        let client = client_of(peer);
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_use.entry(client).or_insert(0);
        if *count >= self.slots_max {
            return None;
        }
        *count += 1;
        Some(ClientSlot { client, in_use: Arc::clone(&self.in_use) })
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_use.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                in_use.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_slot_is_free_and_an_idle_client_has_no_entry() {
        let slots = ClientSlots::new(2);
        let [client, other] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let (first, second) = (slots.acquire(client).unwrap(), slots.acquire(client).unwrap());
        assert!(slots.acquire(client).is_none());
        assert!(slots.acquire(other).is_some());
        drop(first);
        assert!(slots.acquire(client).is_some());
        drop(second);
        assert!(slots.in_use.lock().unwrap().is_empty());
    }
}
