//! Text that a terminal shows, without the control characters of foreign values.

use std::fmt;

/// Displays a foreign text with its control characters escaped, so that it cannot move the cursor or change
/// colours. Includes line separators, and characters that reverse the direction of text.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '\u{2028}'
                | '\u{2029}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", char.escape_unicode())?;
                }
                _ if char.is_control() => write!(f, "{}", char.escape_default())?,
                _ => write!(f, "{char}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters_only() {
        let text = "Zoë \u{1f6b2} \"x\" \u{1b}[31m\r\n\u{9b}0m\u{202e}";
        let shown = r#"Zoë 🚲 "x" \u{1b}[31m\r\n\u{9b}0m\u{202e}"#;
        assert_eq!(Printable(text).to_string(), shown);
    }
}
