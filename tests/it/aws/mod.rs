//! AWS as its own protocols have it: servers on loopback that speak them, the service's clients of them.

mod answering;
mod bucket;
mod cuts;
mod end_to_end;
mod faults;
mod places;
pub(crate) mod put;
mod replay;
mod servers;
mod source;
mod streams;
