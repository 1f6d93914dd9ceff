//! The memory of answers: the bytes that wait to be sent, and large bodies that clients share.
//!
//! Each answer counts against one [`AnswerBudget`] until its client has received it. A large body is
//! rendered once for all clients, on a thread for blocking work, and counts once.

mod body;
mod bound;
mod budget;
mod renderings;
#[cfg(test)]
mod tests;

pub(super) use body::AnswerBody;
pub(super) use bound::bound_answer;
pub(super) use budget::AnswerBudget;
pub(super) use renderings::{RenderingKey, Renderings};
