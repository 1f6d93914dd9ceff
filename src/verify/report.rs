//! Compares ordered tables and prints one line per difference.

use std::collections::BTreeMap;
use std::fmt::{Arguments, Display};
use std::io::{self, Write};

/// Maximum number of differences printed per file.
const SHOWN: u64 = 10;

/// A report of differences, printed as they are found.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    is_equal: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, is_equal: true }
    }

    /// Whether no difference was found.
    pub(super) fn is_equal(&self) -> bool {
        self.is_equal
    }

    /// Compares the rows of one file. `place` describes a key in words.
    pub(super) fn file<K: Ord, V: PartialEq + Display>(
        &mut self,
        name: &str,
        left: &BTreeMap<K, V>,
        right: &BTreeMap<K, V>,
        place: impl Fn(&K) -> String,
    ) -> io::Result<()> {
        let mut differences = 0;
        for (key, left, right) in merged(left, right) {
            if left == right {
                continue;
            }
            differences += 1;
            if differences <= SHOWN {
                let missing: &dyn Display = &"missing";
                let left = left.map_or(missing, |row| row);
                let right = right.map_or(missing, |row| row);
                self.difference(name, &place(key), left, right)?;
            }
        }
        if differences > SHOWN {
            self.line(format_args!("{name}: and {} more", differences - SHOWN))?;
        }
        if differences == 0 {
            self.line(format_args!("{name}: equal, {} rows", left.len()))?;
        }
        Ok(())
    }

    /// Prints one difference: its place, the left value and the right value.
    pub(super) fn difference(
        &mut self,
        name: &str,
        place: &str,
        left: &dyn Display,
        right: &dyn Display,
    ) -> io::Result<()> {
        self.is_equal = false;
        self.line(format_args!("{name}: {place}: left {left}, right {right}"))
    }

    /// Prints one line.
    pub(super) fn line(&mut self, line: Arguments<'_>) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }
}

/// Every key of either table, in order, with its row in each.
fn merged<'a, K: Ord, V>(
    left: &'a BTreeMap<K, V>,
    right: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>, Option<&'a V>)> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || {
        let is_left = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => a <= b,
            (first, _) => first.is_some(),
        };
        if !is_left {
            return right.next().map(|(key, row)| (key, None, Some(row)));
        }
        let (key, row) = left.next()?;
        let other = right.next_if(|(other, _)| *other == key);
        Some((key, Some(row), other.map(|(_, row)| row)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(left: &[(u32, f64)], right: &[(u32, f64)]) -> (bool, String) {
        let table = |rows: &[(u32, f64)]| rows.iter().copied().collect();
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        report.file("f", &table(left), &table(right), |key| format!("row {key}")).unwrap();
        let is_equal = report.is_equal();
        (is_equal, String::from_utf8(out).unwrap())
    }

    #[test]
    fn reports_rows_that_differ_or_exist_on_one_side_only() {
        let (left, right) = ([(1, 0.5), (2, 2.0), (4, 4.0)], [(2, 2.5), (3, 3.0), (4, 4.0)]);
        let lines = "f: row 1: left 0.5, right missing\nf: row 2: left 2, right 2.5\n\
                     f: row 3: left missing, right 3\n";
        assert_eq!(compared(&left, &right), (false, lines.to_owned()));
        assert_eq!(compared(&left, &left), (true, "f: equal, 3 rows\n".to_owned()));
        assert_eq!(compared(&[(1, 0.0)], &[(1, -0.0)]), (true, "f: equal, 1 rows\n".to_owned()));
    }

    #[test]
    fn shows_ten_differences_and_counts_the_rest() {
        let rows: Vec<_> = (0..12).map(|key| (key, 1.0)).collect();
        let (is_equal, text) = compared(&rows, &[]);
        assert!(!is_equal);
        assert_eq!(text.lines().count(), 11);
        assert!(text.ends_with("f: and 2 more\n"), "{text}");
    }
}
