//! The source against a server in this process that says what a test has it say.

mod fake;
mod names;
mod reading;
