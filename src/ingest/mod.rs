//! From inputs to decoded events: what is read, how lines are cut and decoded, what is rejected.

pub mod dead_letters;
pub mod inputs;
