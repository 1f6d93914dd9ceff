//! AWS as its own protocols have it: servers on loopback that speak them, the service's clients of them.

mod faults;
pub(crate) mod put;
mod replay;
mod servers;
mod source;
