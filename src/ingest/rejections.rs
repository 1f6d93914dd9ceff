//! What a run rejected: the reasons with their counts, and the damaged inputs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::terminal::Printable;

/// The most reasons that are distinguished. Further ones are counted together.
const REASONS_MAX: usize = 100;
/// The most damaged inputs that are named.
const DAMAGED_MAX: usize = 100;
/// The most reasons, and damaged inputs, in the text for the terminal.
const SHOWN_MAX: usize = 5;
/// Characters of an example line that are shown.
const EXAMPLE_CHARS: usize = 200;
/// The reason of all lines beyond [`REASONS_MAX`] reasons.
const OTHER: &str = "other reasons";

/// The rejected lines and damaged inputs of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejections {
    /// The reasons of rejected lines, the most frequent first.
    pub reasons: Vec<Reason>,
    /// The first damaged inputs.
    pub damaged: Vec<DamagedInput>,
    /// The number of dead letters that were written. Fewer than were rejected, if reasons were repeated.
    pub written: u64,
}

/// A reason for rejections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The reason without the value of a line, such as "second must be an integer from 1 to 300".
    pub reason: String,
    /// The number of lines that were rejected for it.
    pub lines: u64,
    /// The input of the first of these lines, the number of the line in it, and its start.
    pub file: String,
    /// See `file`.
    pub line: u64,
    /// See `file`.
    pub text: String,
}

/// An input that could not be read to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DamagedInput {
    /// Its name.
    pub file: String,
    /// The line at which it breaks off, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl Rejections {
    /// Counts a rejected line. Returns how many lines were rejected for this reason so far.
    pub(super) fn reject(&mut self, file: &str, line: u64, reason: &str, bytes: &[u8]) -> u64 {
        let reason = general(reason);
        let position = self.reasons.iter().position(|known| known.reason == reason);
        let is_full = self.reasons.len() >= REASONS_MAX;
        let position = position.or(is_full.then_some(REASONS_MAX - 1));
        if let Some(known) = position.and_then(|position| self.reasons.get_mut(position)) {
            known.lines += 1;
            return known.lines;
        }
        let is_last = self.reasons.len() == REASONS_MAX - 1;
        let text = String::from_utf8_lossy(bytes).chars().take(EXAMPLE_CHARS).collect();
        let reason = if is_last { OTHER.to_owned() } else { reason };
        self.reasons.push(Reason { reason, lines: 1, file: file.to_owned(), line, text });
        1
    }

    /// Adds a damaged input.
    pub(super) fn damage(&mut self, file: &str, line: u64, reason: &str) {
        if self.damaged.len() < DAMAGED_MAX {
            let (file, reason) = (file.to_owned(), reason.to_owned());
            self.damaged.push(DamagedInput { file, line, reason });
        }
    }

    /// Sorts the reasons by frequency.
    pub(super) fn sort(&mut self) {
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.lines));
    }

    /// Displays the damaged inputs.
    pub fn display_damaged(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| {
            for DamagedInput { file, line, reason } in self.damaged.iter().take(SHOWN_MAX) {
                let (file, reason) = (Printable(file), Printable(reason));
                writeln!(f, "  '{file}', cut short at line {line}: {reason}")?;
            }
            write_more(f, self.damaged.len(), "inputs")
        })
    }
}

/// Displays the most frequent reasons, each with an example.
impl fmt::Display for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Reason { reason, lines, file, line, text } in self.reasons.iter().take(SHOWN_MAX) {
            let (count, file) = (indicatif::HumanCount(*lines), Printable(file));
            writeln!(f, "{:>24}  {}", count.to_string(), Printable(reason))?;
            writeln!(f, "{:24}  such as line {line} of '{file}': {}", "", Printable(text))?;
        }
        write_more(f, self.reasons.len(), "reasons")
    }
}

fn write_more(f: &mut fmt::Formatter<'_>, count: usize, what: &str) -> fmt::Result {
    match count.checked_sub(SHOWN_MAX) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(f, "  and {more} more {what}"),
    }
}

/// A reason without the value of a line: see the messages of [`Rejection`](super::rejection::Rejection).
fn general(reason: &str) -> String {
    if let Some((start, expected)) = reason.rsplit_once("; it must be ")
        && let Some((field, value)) = start.split_once(" is ")
        && value != "missing"
    {
        return format!("{field} must be {expected}");
    }
    let cut = [" at column ", " at line ", " after the first "];
    let end = cut.iter().filter_map(|part| reason.find(part)).min().unwrap_or(reason.len());
    reason.get(..end).unwrap_or(reason).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::decode::decode;

    #[test]
    fn reasons_with_different_values_are_one() {
        let mut rejections = Rejections::default();
        for line in [
            r#"{"event":"update","raceId":1,"classId":1,"racerId":1,"second":999}"#,
            r#"{"event":"update","raceId":1,"classId":1,"racerId":1,"second":"; it must be "}"#,
            r#"{"event":"update","raceId":1,"classId":1,"racerId":1}"#,
            "{x}",
            r#"{"a":1,x}"#,
            "[]",
        ] {
            let reason = decode(line.as_bytes(), 300).unwrap_err().to_string();
            rejections.reject("in", 1, &reason, line.as_bytes());
        }
        rejections.sort();
        let seen: Vec<_> =
            rejections.reasons.iter().map(|reason| (&*reason.reason, reason.lines)).collect();
        let expected = [
            ("second must be an integer from 1 to 300", 2),
            ("not a valid JSON object: key must be a string", 2),
            ("second is missing; it must be an integer from 1 to 300", 1),
            ("not a JSON object", 1),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_number_of_reasons_is_bounded() {
        let mut rejections = Rejections::default();
        (0..1000).for_each(|number| _ = rejections.reject("in", 1, &format!("{number}"), b""));
        assert_eq!(rejections.reasons.len(), REASONS_MAX);
        assert_eq!(rejections.reasons.last().unwrap().lines, 901);
        assert_eq!(rejections.reasons.last().unwrap().reason, OTHER);
    }
}
