//! The commands of the binary: arguments in, exit status out.
//!
//! Each `run` returns 0 if everything succeeded, and 1 if a check failed or an input could not be read
//! to its end. An error means that arguments or inputs cannot be used; it ends the process with status
//! 2.

mod arguments;
mod logging;
mod output;
mod parse;
mod processes;

pub mod backup;
pub mod batch;
pub mod check;
pub mod cluster;
pub mod compare;
pub mod demo;
pub mod key;
pub mod replay;
pub mod serve;
pub mod signals;
pub mod simulate;
pub mod token;
pub mod transform;
pub mod verify;
