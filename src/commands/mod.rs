//! The commands of the binary: arguments in, exit status out.
//!
//! Each `run` returns 0 when all went well and 1 when a check or an input's end failed; an error is
//! a usage or input that could not be worked with, and ends the process with 2.

pub mod simulate;
