//! Splits a record of a stream or of a delivery into its events.

use super::decode::decode;

/// The events of a record, in order, not yet validated.
///
/// A record is either one event, which may span several lines, or one event per line. Blank lines, and
/// white space around events, are removed.
pub(crate) fn split_events(data: &[u8], race_seconds: u16) -> impl Iterator<Item = &[u8]> {
    let is_one = is_one(data, race_seconds);
    lines(data.trim_ascii(), is_one)
}

/// Whether a record of several lines is a single event. It is not if its first line is already an
/// event.
fn is_one(data: &[u8], race_seconds: u16) -> bool {
    let mut lines = lines(data, false);
    lines.next().is_some_and(|first| decode(first, race_seconds).is_err())
        && lines.next().is_some()
        && decode(data.trim_ascii(), race_seconds).is_ok()
}

/// The lines that are not blank, or everything as one line if `is_one` is true.
fn lines(data: &[u8], is_one: bool) -> impl Iterator<Item = &[u8]> {
    let lines = data.split(move |byte| !is_one && *byte == b'\n');
    lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(uuid: &str) -> String {
        format!(r#"{{"event":"view","uuid":"{uuid}","projectId":"p","deviceTimestamp":1}}"#)
    }

    #[test]
    fn a_record_is_one_event_or_one_per_line() {
        let (a, b) = (view("a"), view("b"));
        let spread = a.replace(',', ",\n ");
        for (record, expected) in [
            (String::new(), vec![]),
            (" \r\n\n".to_owned(), vec![]),
            (a.clone(), vec![&a]),
            (format!(" {a}\r\n"), vec![&a]),
            (format!("{a}\r\n\n{b}\n"), vec![&a, &b]),
            (format!("\n{spread}\n "), vec![&spread]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|event| event.as_bytes()).collect();
            let events: Vec<_> = split_events(record.as_bytes(), 300).collect();
            assert_eq!(events, expected, "{record:?}");
        }
    }

    #[test]
    fn cuts_a_record_that_is_not_an_event_into_lines() {
        let (a, broken) = (view("a"), view("a").replace(",", ",\n").replace('}', ""));
        for (record, count) in [
            (format!("no\n{a}\n{{}}"), 3),
            (format!("{a}\nno"), 2),
            (broken, 4),
            ("\u{ff}".to_owned(), 1),
            (format!("{}\n{}", a.replace(',', ",\n"), a), 5),
        ] {
            assert_eq!(split_events(record.as_bytes(), 300).count(), count, "{record}");
        }
    }
}
