//! The source against a server in this process that says what a test has it say.

mod decoding;
mod fake;
mod keeping;
mod names;
mod reading;
mod sourcing;
