//! A record of a stream or a delivery, cut into its events.

use super::decode::decode;

/// The events of a record, in order: one, also where it is written over several lines, or one a line. Blank
/// lines are left out, and so is what is blank around an event. Whether they are events is not said yet.
pub(crate) fn events(data: &[u8], race_seconds: u16) -> impl Iterator<Item = &[u8]> {
    let is_one = is_one(data, race_seconds);
    lines(data.trim_ascii(), is_one)
}

/// Whether a record of several lines is one event; where its first line is one, it is not.
fn is_one(data: &[u8], race_seconds: u16) -> bool {
    let mut lines = lines(data, false);
    lines.next().is_some_and(|first| decode(first, race_seconds).is_err())
        && lines.next().is_some()
        && decode(data.trim_ascii(), race_seconds).is_ok()
}

/// The lines that are not blank, or all as one.
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
    fn a_record_is_an_event_or_lines_of_them() {
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
            let events: Vec<_> = events(record.as_bytes(), 300).collect();
            assert_eq!(events, expected, "{record:?}");
        }
    }

    #[test]
    fn what_is_no_event_is_cut_into_lines() {
        let (a, broken) = (view("a"), view("a").replace(",", ",\n").replace('}', ""));
        for (record, count) in [
            (format!("no\n{a}\n{{}}"), 3),
            (format!("{a}\nno"), 2),
            (broken, 4),
            ("\u{ff}".to_owned(), 1),
            (format!("{}\n{}", a.replace(',', ",\n"), a), 5),
        ] {
            assert_eq!(events(record.as_bytes(), 300).count(), count, "{record}");
        }
    }
}
