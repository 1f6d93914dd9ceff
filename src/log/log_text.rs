//! The text of an event in the log.

use std::borrow::Cow;

use super::log_lines::ARRIVAL_BYTES;
use crate::ingest::lines::LINE_BYTES_MAX;
use crate::ingest::rejection::Rejection;
use crate::ingest::without_field::without_field;

/// The field that the log writes, so that clients cannot set it.
const ARRIVAL: &str = "arrivalTimestamp";

/// The text of an event for the log, without any arrival that the client sent.
///
/// # Errors
/// When the line is not a JSON object, and when it would be too long to read back with the arrival that
/// the log adds.
pub fn log_text(line: &[u8]) -> Result<Cow<'_, [u8]>, Rejection> {
    // Remove the field even if it is null: the decoder treats null as absent, but the log must write the
    // only arrival.
    let text = without_field(line, ARRIVAL)?;
    match text.trim_ascii().len() + ARRIVAL_BYTES <= LINE_BYTES_MAX {
        true => Ok(text),
        false => Err(Rejection::Oversized),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(more: &str) -> String {
        format!(r#"{{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1{more}}}"#)
    }

    fn logged(line: &str) -> String {
        String::from_utf8(log_text(line.as_bytes()).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn removes_an_arrival_and_nothing_else() {
        for more in [
            r#","arrivalTimestamp":5"#,
            r#","arrivalTimestamp" : null"#,
            r#","arrivalT\u0069mestamp":5"#,
        ] {
            assert_eq!(logged(&view(more)), view(""), "{more}");
        }
        let other = r#","x":1.50E+1,"\u0079":"a\u00e9\/","z":[ {"arrivalTimestamp":1} ]"#;
        assert_eq!(logged(&view(&format!(r#"{other},"arrivalTimestamp":9"#))), view(other));
        assert_eq!(logged(r#" { "arrivalTimestamp":1, "x" : 1e400 } "#), r#" { "x" : 1e400 } "#);
        // A line without the field is unchanged.
        let spaced = view(r#" , "x" : 1"#);
        assert_eq!(logged(&spaced), spaced);
    }
}
