//! Reads the rules file, which defines in TOML or JSON how events are scored, and computes the id of
//! rules.

mod describe;
mod error;
mod ranges;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};
use velodrome_dataflows::{RACE_SECONDS_MAX, Rules};

use crate::json_checksum;

pub use error::{InvalidRules, RulesError};

/// The greatest valid cadence and resistance of an event.
pub const MEASURE_MAX: f64 = 1000.0;

/// Reads and checks the rules at `path`. Rules that the file omits have their default values.
///
/// # Errors
/// If the file cannot be read, or [`parse`] rejects its text.
pub fn load(path: &Path) -> Result<Rules, RulesError> {
    let text = fs::read_to_string(path).map_err(|e| RulesError::Read(path.to_owned(), e))?;
    parse(&text).map_err(|e| RulesError::Invalid(path.to_owned(), e))
}

/// Parses rules in TOML, or in JSON as in the file `rules.json` of results or of a data directory.
///
/// # Errors
/// If the text is neither, differs from its checksum, has an unknown rule, or has a rule outside its range.
pub fn parse(text: &str) -> Result<Rules, InvalidRules> {
    // No TOML begins with a brace.
    let rules = match text.trim_start().starts_with('{') {
        true => {
            let text = json_checksum::remove(text)?;
            serde_json::from_str(&text).map_err(|error| describe::describe_json(&error))?
        }
        false => toml::from_str(text).map_err(|error| describe::describe(text, &error))?,
    };
    check(&rules)?;
    Ok(rules)
}

/// The canonical form of rules: JSON without white space. Equal rules have equal canonical forms.
pub fn canonical(rules: &Rules) -> String {
    // A negative zero is the same offset as zero, so it must have the same form.
    let rules = Rules {
        cadence_offset: rules.cadence_offset + 0.0,
        resistance_offset: rules.resistance_offset + 0.0,
        ..rules.clone()
    };
    // Rules consist of numbers, texts, and maps with such keys, so they always serialize.
    serde_json::to_string(&rules).unwrap_or_default()
}

/// The id of rules: the SHA-256 of their canonical form, in hexadecimal digits.
pub fn id(rules: &Rules) -> String {
    let digest = digest(&SHA256, canonical(rules).as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that every rule is in its range.
///
/// # Errors
/// If a rule is not. The error names the first one.
pub fn check(rules: &Rules) -> Result<(), InvalidRules> {
    // Far below the limit at which the product of two sums would no longer be finite.
    let is_bounded = |value: f64| value.abs() <= 1e9;
    let (cadence, resistance) = (rules.cadence_offset, rules.resistance_offset);
    let (divisor, seconds) = (rules.divisor, rules.race_seconds);
    let is_divisor = is_bounded(divisor) && divisor.abs() >= 1e-9;
    let is_race_length = (1..=RACE_SECONDS_MAX).contains(&seconds);
    in_range("cadence_offset", cadence, is_bounded(cadence), ranges::OFFSET)?;
    in_range("resistance_offset", resistance, is_bounded(resistance), ranges::OFFSET)?;
    in_range("divisor", divisor, is_divisor, ranges::DIVISOR)?;
    in_range("race_seconds", seconds.into(), is_race_length, ranges::RACE_SECONDS)?;

    let racers = rules.corrected_racers.iter();
    let racers = racers.map(|(racer, correction)| (racer.to_string(), correction));
    let devices = rules.corrected_devices.iter();
    let devices = devices.map(|(uuid, correction)| (uuid.to_string(), correction));
    for (corrected, correction) in racers.chain(devices) {
        for (measure, factor) in
            [("cadence", correction.cadence), ("resistance", correction.resistance)]
        {
            let rule = format!("the {measure} of '{corrected}'");
            in_range(&rule, factor, (0.0..=1000.0).contains(&factor), ranges::FACTOR)?;
        }
    }
    Ok(())
}

fn in_range(
    rule: &str,
    value: f64,
    is_valid: bool,
    expected: &'static str,
) -> Result<(), InvalidRules> {
    let rule = rule.to_owned();
    is_valid.then_some(()).ok_or(InvalidRules::Range { rule, value, expected })
}
