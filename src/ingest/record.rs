//! Splits a record of a stream or of a delivery into its events.

use super::decode::decode;
use super::objects::objects;

/// The events of a record, in order, not yet validated.
///
/// A record is either one event, which may span several lines, or lines of one or several events each.
/// Blank lines, and white space around events, are removed.
pub(crate) fn split_events(data: &[u8], race_seconds: u16) -> impl Iterator<Item = &[u8]> {
    let is_one = decode(data.trim_ascii(), race_seconds).is_ok();
    data.split(move |byte| !is_one && *byte == b'\n').flat_map(objects)
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
