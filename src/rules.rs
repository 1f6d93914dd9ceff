//! The rules file: how events become results, as TOML.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;
use velodrome_dataflows::{RACE_SECONDS_MAX, Rules};

/// The greatest cadence and resistance that an event may bring.
pub const MEASURE_MAX: f64 = 1000.0;

/// A rules file that cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rules '{0}': {1}")]
    Read(PathBuf, std::io::Error),
    /// It is no TOML, or has a key that is no rule.
    #[error(
        "cannot understand the rules '{0}': {1}; the rules are cadence_offset, resistance_offset, \
         divisor, race_seconds and grace_seconds"
    )]
    Parse(PathBuf, String),
    /// A rule is outside what it may be.
    #[error("the rule {rule} in '{path}' is {value}; it must be {expected}")]
    Range {
        /// The file.
        path: PathBuf,
        /// The key.
        rule: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
}

/// Reads and checks the rules at `path`; a rule that it leaves out keeps its default.
///
/// # Errors
/// A file that cannot be read, an unknown rule, a rule under which an output would not be a number.
pub fn load(path: &Path) -> Result<Rules, RulesError> {
    let text = fs::read_to_string(path).map_err(|e| RulesError::Read(path.to_owned(), e))?;
    let rules: Rules = toml::from_str(&text)
        .map_err(|e| RulesError::Parse(path.to_owned(), e.message().to_owned()))?;
    check(&rules).map_err(|(rule, value, expected)| RulesError::Range {
        path: path.to_owned(),
        rule,
        value,
        expected,
    })?;
    Ok(rules)
}

fn check(rules: &Rules) -> Result<(), (&'static str, f64, &'static str)> {
    // Far inside the range where the product of both stays finite.
    let bounded = |value: f64| value.abs() <= 1e9;
    if !bounded(rules.cadence_offset) {
        return Err(("cadence_offset", rules.cadence_offset, "a number from -1e9 to 1e9"));
    }
    if !bounded(rules.resistance_offset) {
        return Err(("resistance_offset", rules.resistance_offset, "a number from -1e9 to 1e9"));
    }
    if !bounded(rules.divisor) || rules.divisor.abs() < 1e-9 {
        return Err(("divisor", rules.divisor, "a number from 1e-9 to 1e9, or its negative"));
    }
    if !(1..=RACE_SECONDS_MAX).contains(&rules.race_seconds) {
        return Err(("race_seconds", rules.race_seconds.into(), "a whole number from 1 to 3600"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Rules, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        load(file.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn keep_their_default_where_the_file_is_silent() {
        let rules = loaded("cadence_offset = 30\nrace_seconds = 60").unwrap();
        let expected = Rules { cadence_offset: 30.0, race_seconds: 60, ..Rules::default() };
        assert_eq!(rules, expected);
    }

    #[test]
    fn are_refused_with_the_key_or_value_that_is_wrong() {
        for (text, part) in [
            ("race_second = 60", "race_second"),
            ("race_seconds = 0", "race_seconds"),
            ("race_seconds = 3601", "3601"),
            ("divisor = 0", "divisor"),
            ("divisor = nan", "NaN"),
            ("cadence_offset = inf", "inf"),
            ("cadence_offset = ", "rules"),
        ] {
            let error = loaded(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
