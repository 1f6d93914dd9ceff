//! Short quotes of what a client sent, for error messages.

/// The number of characters that a message quotes. Nearly all valid names and values are shorter.
const CHARS_MAX: usize = 40;

/// The first 40 characters of `text`, with an ellipsis if there are more.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_long_texts_between_characters() {
        assert_eq!(excerpt("é"), "é");
        assert_eq!(excerpt(&"é".repeat(40)), "é".repeat(40));
        assert_eq!(excerpt(&"é".repeat(41)), "é".repeat(40) + "…");
    }
}
