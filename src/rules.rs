//! The rules file: how events become results, as TOML; and the identity of rules.

use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use thiserror::Error;
use velodrome_dataflows::{RACE_SECONDS_MAX, Rules};

/// The greatest cadence and resistance that an event may bring.
pub const MEASURE_MAX: f64 = 1000.0;

/// So much of an unknown key is looked at, in characters.
const KEY_CHARS: usize = 64;

/// A rules file that cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rules '{0}': {1}")]
    Read(PathBuf, std::io::Error),
    /// What it says cannot be used.
    #[error("cannot use the rules '{0}': {1}")]
    Use(PathBuf, Unusable),
}

/// Text that is no rules.
#[derive(Debug, Error)]
pub enum Unusable {
    /// It has a key that is none.
    #[error("line {line}: there is no '{key}'; did you mean '{nearest}'? There are {known}")]
    Unknown {
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The key that is most like it.
        nearest: String,
        /// All keys that may be there.
        known: String,
    },
    /// It is no TOML, or a value is of another kind.
    #[error("line {0}: {1}")]
    Form(usize, String),
    /// A rule is outside what it may be.
    #[error("{rule} is {value}; it must be {expected}")]
    Range {
        /// The key.
        rule: String,
        /// Its value.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
}

/// Reads and checks the rules at `path`; a rule that it leaves out keeps its default.
///
/// # Errors
/// A file that cannot be read, and all that [`parse`] refuses.
pub fn load(path: &Path) -> Result<Rules, RulesError> {
    let text = fs::read_to_string(path).map_err(|e| RulesError::Read(path.to_owned(), e))?;
    parse(&text).map_err(|e| RulesError::Use(path.to_owned(), e))
}

/// The rules that `text` states in TOML.
///
/// # Errors
/// What is no TOML, an unknown rule, a rule under which an output would not be a number.
pub fn parse(text: &str) -> Result<Rules, Unusable> {
    let rules = toml::from_str(text).map_err(|error| refusal(text, &error))?;
    check(&rules)?;
    Ok(rules)
}

/// The canonical form of rules: JSON without white space, which is the same for equal rules.
pub fn canonical(rules: &Rules) -> String {
    // A negative zero is no other offset.
    let rules = Rules {
        cadence_offset: rules.cadence_offset + 0.0,
        resistance_offset: rules.resistance_offset + 0.0,
        ..rules.clone()
    };
    // Numbers, texts and keys that are either: nothing of it cannot be JSON.
    serde_json::to_string(&rules).unwrap_or_default()
}

/// The identity of rules: the SHA-256 of their canonical form, in hexadecimal digits.
pub fn id(rules: &Rules) -> String {
    let digest = digest(&SHA256, canonical(rules).as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why the TOML library refuses `text`; of an unknown key it names in quotes the key, and those that it knows.
fn refusal(text: &str, error: &toml::de::Error) -> Unusable {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
    let message = error.message().lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    if let (true, Some(key)) = (message.starts_with("unknown field"), quoted.next()) {
        let key: String = key.chars().take(KEY_CHARS).collect();
        let known: Vec<_> = quoted.collect();
        let distance = |known: &&&str| strsim::damerau_levenshtein(known, &key);
        let nearest = known.iter().min_by_key(distance).copied().unwrap_or_default();
        let nearest = nearest.to_owned();
        return Unusable::Unknown { line, key, nearest, known: known.join(", ") };
    }
    Unusable::Form(line, message.to_owned())
}

/// Whether every rule is what it may be.
///
/// # Errors
/// The first that is not.
pub fn check(rules: &Rules) -> Result<(), Unusable> {
    // Far inside the range where the product of both stays finite.
    let bounded = |value: f64| value.abs() <= 1e9;
    let wrong = |rule: &str, value: f64, expected| {
        let rule = rule.to_owned();
        Err(Unusable::Range { rule, value, expected })
    };
    if !bounded(rules.cadence_offset) {
        return wrong("cadence_offset", rules.cadence_offset, "a number from -1e9 to 1e9");
    }
    if !bounded(rules.resistance_offset) {
        return wrong("resistance_offset", rules.resistance_offset, "a number from -1e9 to 1e9");
    }
    if !bounded(rules.divisor) || rules.divisor.abs() < 1e-9 {
        return wrong("divisor", rules.divisor, "a number from 1e-9 to 1e9, or its negative");
    }
    if !(1..=RACE_SECONDS_MAX).contains(&rules.race_seconds) {
        return wrong("race_seconds", rules.race_seconds.into(), "a whole number from 1 to 3600");
    }
    let racers = rules.corrected_racers.iter();
    let racers = racers.map(|(racer, correction)| (racer.to_string(), correction));
    let devices = rules.corrected_devices.iter();
    let devices = devices.map(|(uuid, correction)| (uuid.to_string(), correction));
    for (of, correction) in racers.chain(devices) {
        for (measure, factor) in
            [("cadence", correction.cadence), ("resistance", correction.resistance)]
        {
            if !(0.0..=1000.0).contains(&factor) {
                return wrong(
                    &format!("the {measure} of '{of}'"),
                    factor,
                    "a factor from 0 to 1000",
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use velodrome_dataflows::{Correction, ExcludedRace, ExcludedRide};

    use super::*;

    const DEFAULT_ID: &str = "a693104dd83fcb616322814448821c80a772edf25838a2f4ace66eb49f75d8e7";

    const ALL: &str = "
        resistance_offset = 60
        grace_seconds = 30
        excluded_racers = [9, 7, 9]
        excluded_races = [{ class_id = 2, race_id = 5400802 }]

        [[excluded_rides]]
        class_id = 1
        race_id = 5400801
        racer_id = 4

        [corrected_racers.12]
        cadence = 0.9

        [corrected_devices.'bike 17']
        resistance = 1.5
        ";

    #[test]
    fn keep_their_default_where_the_file_is_silent() {
        let rules = parse("cadence_offset = 30\nrace_seconds = 60").unwrap();
        let expected = Rules { cadence_offset: 30.0, race_seconds: 60, ..Rules::default() };
        assert_eq!(rules, expected);
    }

    #[test]
    fn say_who_does_not_count_and_whose_measures_are_corrected() {
        let rules = parse(ALL).unwrap();
        let expected = Rules {
            resistance_offset: 60.0,
            grace_seconds: 30,
            excluded_racers: [7, 9].into(),
            excluded_races: [ExcludedRace { class_id: 2, race_id: 5_400_802 }].into(),
            excluded_rides: [ExcludedRide { class_id: 1, race_id: 5_400_801, racer_id: 4 }].into(),
            corrected_racers: [(12, Correction { cadence: 0.9, resistance: 1.0 })].into(),
            corrected_devices: [("bike 17".into(), Correction { cadence: 1.0, resistance: 1.5 })]
                .into(),
            ..Rules::default()
        };
        assert_eq!(rules, expected);
        // What a checkpoint keeps says the same.
        assert_eq!(serde_json::from_str::<Rules>(&canonical(&rules)).unwrap(), expected);
    }

    #[test]
    fn are_identified_by_what_they_mean_and_not_by_how_it_is_written() {
        // sha256sum of the canonical form.
        let default = "{\"cadence_offset\":35.0,\"resistance_offset\":65.0,\"divisor\":100.0,\
                       \"race_seconds\":300,\"grace_seconds\":60}";
        assert_eq!(canonical(&Rules::default()), default);
        assert_eq!(id(&Rules::default()), DEFAULT_ID);
        for same in ["", "divisor = 100", "excluded_racers = []\n race_seconds = 300"] {
            assert_eq!(id(&parse(same).unwrap()), DEFAULT_ID, "{same}");
        }
        let zero = parse("cadence_offset = 0.0").unwrap();
        assert_eq!(id(&parse("cadence_offset = -0.0").unwrap()), id(&zero));
        let other = parse("excluded_racers = [7]").unwrap();
        assert_eq!(id(&parse("excluded_racers = [7, 7]").unwrap()), id(&other));
        assert_ne!(id(&other), DEFAULT_ID);
    }

    #[test]
    fn are_refused_with_the_key_or_value_that_is_wrong() {
        for (text, part) in [
            ("race_second = 60", "no 'race_second'; did you mean 'race_seconds'?"),
            (
                "\nexclude_racer = [1]",
                "line 2: there is no 'exclude_racer'; did you mean 'excluded_racers'?",
            ),
            ("excluded_races = [{ class = 1, race_id = 2 }]", "did you mean 'class_id'?"),
            ("corrected_racers.7.cadense = 1", "did you mean 'cadence'?"),
            ("corrected_racers.07.cadence = 1", "'07' is no racer's number"),
            ("corrected_racers.bob.cadence = 1", "'bob' is no racer's number"),
            ("corrected_devices.b.resistance = -1", "the resistance of 'b' is -1"),
            ("corrected_racers.7.cadence = nan", "NaN"),
            ("excluded_racers = [-1]", "line 1"),
            ("excluded_rides = [{ class_id = 1, race_id = 2 }]", "racer_id"),
            ("race_seconds = 0", "race_seconds"),
            ("race_seconds = 3601", "3601"),
            ("divisor = 0", "divisor"),
            ("divisor = nan", "NaN"),
            ("cadence_offset = inf", "inf"),
            ("cadence_offset = ", "line 1"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn are_refused_with_the_name_of_their_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "divisor = 0").unwrap();
        let error = load(file.path()).unwrap_err().to_string();
        let name = file.path().display().to_string();
        assert_eq!(
            error,
            format!(
                "cannot use the rules '{name}': divisor is 0; it must be a number from 1e-9 to 1e9, \
                 or its negative"
            )
        );
    }
}
