//! Counts the connections that have not sent their hello yet.

use std::collections::HashMap;
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use super::mutex::lock;

/// Connections that have not sent their hello yet: in total, and of one address, so that no single address
/// can occupy all of them. Further ones are closed; a node whose connection is closed tries again.
const GREETING_MAX: usize = 64;
const GREETING_OF_ADDRESS_MAX: usize = 16;

/// The connections that have not sent their hello yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Greetings(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that has not sent its hello yet. It counts until it is dropped.
#[derive(Debug)]
pub(super) struct Greeting {
    address: IpAddr,
    greetings: Greetings,
}

impl Greetings {
    /// Counts a connection. `None` if there are too many.
    pub(super) fn begin(&self, stream: &TcpStream) -> Option<Greeting> {
        self.begin_from(stream.peer_addr().ok()?.ip())
    }

    fn begin_from(&self, address: IpAddr) -> Option<Greeting> {
        let mut counts = self.lock();
        let of_address = counts.get(&address).copied().unwrap_or_default();
        if of_address >= GREETING_OF_ADDRESS_MAX || counts.values().sum::<usize>() >= GREETING_MAX {
            return None;
        }
        counts.insert(address, of_address + 1);
        Some(Greeting { address, greetings: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        lock(&self.0)
    }
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut counts = self.greetings.lock();
        match counts.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_occupy_all_places() {
        let greetings = Greetings::default();
        let from = |host: u8| greetings.begin_from([10, 0, 0, host].into());
        let mut held: Vec<_> = (0..20).filter_map(|_| from(1)).collect();
        assert_eq!(held.len(), GREETING_OF_ADDRESS_MAX);
        held.extend((2..100).filter_map(from));
        assert_eq!(held.len(), GREETING_MAX);
        held.truncate(1);
        assert!(from(1).is_some() && from(100).is_some());
        drop(held);
        assert!(greetings.lock().is_empty());
    }
}
