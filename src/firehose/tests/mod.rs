//! Tests of the contracts on bytes.

mod delivery;
mod transform;
