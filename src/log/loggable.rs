//! The text of an event as the log takes it.

use std::borrow::Cow;

use super::lines::ARRIVAL_BYTES;
use crate::ingest::event::Reject;
use crate::ingest::fields::without;
use crate::ingest::lines::LINE_BYTES_MAX;

/// The field that the log writes, and who sends events may not.
const ARRIVAL: &str = "arrivalTimestamp";

/// The text of an event as the log takes it: without the arrival that whoever sent it made up, and short
/// enough that the line is read again with the arrival that the log adds.
///
/// # Errors
/// A line that is no JSON object, or too long.
pub fn loggable(line: &[u8]) -> Result<Cow<'_, [u8]>, Reject> {
    // The arrival may be null: what the decoder says of it is not enough.
    let text = without(line, ARRIVAL).map_err(|e| Reject::Json(e.to_string()))?;
    match text.trim_ascii().len() + ARRIVAL_BYTES <= LINE_BYTES_MAX {
        true => Ok(text),
        false => Err(Reject::Oversized),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(more: &str) -> String {
        format!(r#"{{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1{more}}}"#)
    }

    fn logged(line: &str) -> String {
        String::from_utf8(loggable(line.as_bytes()).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn an_arrival_that_a_client_sends_is_removed_and_all_else_stays_as_it_is() {
        for more in [
            r#","arrivalTimestamp":5"#,
            r#","arrivalTimestamp" : null"#,
            r#","arrivalT\u0069mestamp":5"#,
        ] {
            assert_eq!(logged(&view(more)), view(""), "{more}");
        }
        let kept = r#","x":1.50E+1,"\u0079":"a\u00e9\/","z":[ {"arrivalTimestamp":1} ]"#;
        assert_eq!(logged(&view(&format!(r#"{kept},"arrivalTimestamp":9"#))), view(kept));
        assert_eq!(logged(r#" {"arrivalTimestamp":1, "x" : 1e400 } "#), r#"{"x":1e400}"#);
        // What does not name it is not touched at all.
        let spaced = view(r#" , "x" : 1"#);
        assert_eq!(logged(&spaced), spaced);
    }
}
