//! Rules files that are valid, and the messages for those that are not.

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
fn rules_that_are_not_in_the_file_have_their_defaults() {
    let rules = parse("cadence_offset = 30\nrace_seconds = 60").unwrap();
    let expected = Rules { cadence_offset: 30.0, race_seconds: 60, ..Rules::default() };
    assert_eq!(rules, expected);
}

#[test]
fn a_file_can_exclude_racers_races_and_rides_and_correct_racers_and_devices() {
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
    // The file rules.json of results and checkpoints is the canonical form.
    assert_eq!(parse(&canonical(&rules)).unwrap(), expected);
    assert_eq!(parse(&format!("\n {}\n", canonical(&rules))).unwrap(), expected);
}

#[test]
fn the_id_depends_on_the_meaning_of_rules_and_not_on_their_notation() {
    // The output of sha256sum for the canonical form.
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
fn invalid_rules_are_rejected_with_the_wrong_key_or_value() {
    for (text, part) in [
        ("race_second = 60", "unknown key 'race_second'; did you mean 'race_seconds'?"),
        (
            "\nexclude_racer = [1]",
            "line 2: unknown key 'exclude_racer'; did you mean 'excluded_racers'?",
        ),
        ("excluded_races = [{ class = 1, race_id = 2 }]", "did you mean 'class_id'?"),
        ("corrected_racers.7.cadense = 1", "did you mean 'cadence'?"),
        ("corrected_racers.07.cadence = 1", "'07' is not a racer id"),
        ("corrected_racers.bob.cadence = 1", "'bob' is not a racer id"),
        ("corrected_devices.b.resistance = -1", "the resistance of 'b' is -1"),
        ("corrected_racers.7.cadence = nan", "NaN"),
        ("excluded_rides = [{ class_id = 1, race_id = 2 }]", "line 1: racer_id is missing"),
        ("race_seconds = 1\nrace_seconds = 2", "line 2: the key 'race_seconds' is given twice"),
        ("race_seconds = 0", "race_seconds is 0; it must be a whole number from 1 to 3600"),
        ("race_seconds = 3601", "race_seconds is 3601"),
        ("divisor = 0", "divisor is 0"),
        ("divisor = nan", "divisor is NaN"),
        ("cadence_offset = inf", "cadence_offset is inf"),
        ("cadence_offset = ", "line 1"),
        ("{\n\"divisors\": 1}", "line 2: unknown key 'divisors'; did you mean 'divisor'?"),
        (r#"{"race_seconds": 0}"#, "race_seconds is 0; it must be a whole number from 1 to 3600"),
        (r#"{"divisor": "x"}"#, r#"line 1: invalid type: string "x", expected a number"#),
        (r#"{"grace_seconds": -1}"#, "expected a whole number from 0 to 65535"),
        (r#"{"excluded_races": [7]}"#, "expected a race, such as { class_id"),
        (r#"{"excluded_rides": [{"class_id": 1}]}"#, "line 1: race_id is missing"),
        (r#"{"corrected_racers": {"bob": {}}}"#, "'bob' is not a racer id"),
        (r#"{"divisor": 1"#, "line 1: EOF"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn values_of_a_wrong_type_are_rejected_with_the_valid_range() {
    for (text, expected) in [
        ("race_seconds = 70000", "race_seconds is 70000; it must be a whole number from 1 to 3600"),
        ("race_seconds = 1.5", "race_seconds is 1.5; it must be a whole number from 1 to 3600"),
        (
            "grace_seconds = 99999999999999999999",
            "grace_seconds is 99999999999999999999; it must be a whole number from 0 to 65535",
        ),
        ("[race_seconds]", "race_seconds is a table; it must be a whole number from 1 to 3600"),
        ("divisor = 'x'", "divisor is 'x'; it must be a number from 1e-9 to 1e9, or its negative"),
        (
            "excluded_racers = [7, -1]",
            "excluded_racers is -1; it must be a whole number from 0 to 4294967295",
        ),
        (
            "excluded_racers = 7",
            "excluded_racers is 7; it must be a list of racer ids, such as [7, 12]",
        ),
        (
            "excluded_races = [{ class_id = 1, race_id = true }]",
            "race_id is true; it must be a whole number from 0 to 18446744073709551615",
        ),
        (
            "excluded_races = [7]",
            "excluded_races is 7; it must be a race, such as { class_id = 1, race_id = 5400800 }",
        ),
        ("corrected_racers.7.cadence = {}", "cadence is {}; it must be a factor from 0 to 1000"),
        (
            "excluded_races = [{ class_id = 1, race_id = 1 }, 5]",
            "the value is 5; it must be a race, such as { class_id = 1, race_id = 5400800 }",
        ),
        ("corrected_racers.7 = 2", "7 is 2; it must be a correction, such as { cadence = 0.9 }"),
        (
            "corrected_racers = 2",
            "corrected_racers is 2; it must be a table of corrections, such as \
             { 7 = { cadence = 0.9 } }",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("line 1: {expected}"), "{text}");
    }
}

#[test]
fn invalid_rules_are_rejected_with_the_name_of_their_file() {
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
