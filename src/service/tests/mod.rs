//! Tests of the complete service.

mod simulation;
