//! Turns errors of the TOML and JSON libraries into messages for users, without names of Rust types.

use super::error::InvalidRules;
use super::ranges;

/// Maximum number of characters shown of an unknown key or of a value.
const SHOWN_CHARS: usize = 64;

/// Describes why the TOML library rejects `text`.
pub(super) fn describe(text: &str, error: &toml::de::Error) -> InvalidRules {
    let span = error.span().unwrap_or(0..0);
    let before = text.get(..span.start).unwrap_or_default();
    let at = text.get(span).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let message = error.message().lines().next().unwrap_or_default();
    if let Some(invalid) = wrong_key(line, message) {
        return invalid;
    }
    if message == "duplicate key" {
        return InvalidRules::Syntax(line, format!("the key '{}' is given twice", shown(at)));
    }
    let expected = message.starts_with("invalid").then(|| message.rsplit_once("expected "));
    match expected.flatten().and_then(|(_, expected)| wrong_value(line, before, at, expected)) {
        Some(invalid) => invalid,
        None => InvalidRules::Syntax(line, message.to_owned()),
    }
}

/// Describes why the JSON library rejects a text.
pub(super) fn describe_json(error: &serde_json::Error) -> InvalidRules {
    let (line, text) = (error.line(), error.to_string());
    // The position in the line is that of the end of a value, which does not help.
    let message = text.rsplit_once(" at line ").map_or(&*text, |(message, _)| message);
    wrong_key(line, message).unwrap_or_else(|| {
        let plain = message.rsplit_once("expected ").and_then(|(found, expected)| {
            Some(format!("{found}expected {}", ranges::expected_by_type(expected)?))
        });
        InvalidRules::Syntax(line, plain.unwrap_or_else(|| message.to_owned()))
    })
}

/// Describes an unknown or missing key, if serde's `message` is about one.
fn wrong_key(line: usize, message: &str) -> Option<InvalidRules> {
    // The message quotes the key first, then the known ones.
    let mut quoted = message.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    if message.starts_with("unknown field") {
        return Some(unknown_key(line, key, &quoted.collect::<Vec<_>>()));
    }
    let is_missing = message.starts_with("missing field");
    is_missing.then(|| InvalidRules::Syntax(line, format!("{key} is missing")))
}

fn unknown_key(line: usize, key: &str, known: &[&str]) -> InvalidRules {
    let key = shown(key);
    let distance = |known: &&&str| strsim::damerau_levenshtein(known, &key);
    let nearest = known.iter().min_by_key(distance).copied().unwrap_or_default().to_owned();
    InvalidRules::Unknown { line, key, nearest, known: known.join(", ") }
}

/// Describes the value at the start of `at`, which has the wrong type or is outside its range. `before`
/// is the text in front of it.
fn wrong_value(line: usize, before: &str, at: &str, serde_expected: &str) -> Option<InvalidRules> {
    let is_header = at.starts_with('[') && !before.trim_end().ends_with(['=', ',', '[']);
    let (key, value) = match at.strip_prefix("[[") {
        Some(_) if is_header => (last_segment(at), "a list of tables".to_owned()),
        None if is_header => (last_segment(at), "a table".to_owned()),
        _ => (key_of_value(before), shown(at)),
    };
    let expected = ranges::expected(key, serde_expected)?;
    let key = if key.is_empty() { "the value".to_owned() } else { shown(key) };
    Some(InvalidRules::Value { line, key, value, expected })
}

/// The last part of the key of the value that follows `before`. Empty if the key is not clear.
fn key_of_value(before: &str) -> &str {
    let Some((before, after)) = before.rsplit_once('=') else { return "" };
    if after.contains('}') {
        // A table ended since the last `=`, so the value is an element of a list.
        return "";
    }
    let begin = before.rfind(['\n', '{', ',']).map_or(0, |at| at + 1);
    last_segment(before.get(begin..).unwrap_or_default())
}

/// The last part of a dotted key or of the header of a table, without quotes.
fn last_segment(key: &str) -> &str {
    let key = key.trim_matches(['[', ']']).trim();
    let quoted = key.strip_suffix(['\'', '"']);
    let last = match quoted {
        Some(quoted) => quoted.rsplit(['\'', '"']).next(),
        None => key.rsplit('.').next(),
    };
    last.unwrap_or_default().trim()
}

fn shown(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(SHOWN_CHARS).collect()
}
