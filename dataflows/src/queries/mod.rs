//! Queries of the graph's state at one time.
//!
//! A query enters the dataflow as a timestamped record. Every worker evaluates it on its share of the
//! arrangements, and the requesting worker merges the parts into one answer.

mod answer;
mod evaluate;
mod operator;
mod query;

pub use answer::{Answer, ClassSize};
pub use operator::answer_queries;
pub use query::{Query, QueryRequest};
