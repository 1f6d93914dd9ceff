//! The valid values of each rule, as messages describe them.

pub(super) const OFFSET: &str = "a number from -1e9 to 1e9";
pub(super) const DIVISOR: &str = "a number from 1e-9 to 1e9, or its negative";
pub(super) const RACE_SECONDS: &str = "a whole number from 1 to 3600";
pub(super) const FACTOR: &str = "a factor from 0 to 1000";
const UP_TO_U16: &str = "a whole number from 0 to 65535";
const UP_TO_U32: &str = "a whole number from 0 to 4294967295";
const UP_TO_U64: &str = "a whole number from 0 to 18446744073709551615";

/// The valid values of `key`, for a message. `serde_expected` is what serde expects there, in its own
/// words. `None` if neither determines the valid values.
///
/// If the value of a key is a list, serde's words distinguish the list from its elements.
pub(super) fn expected(key: &str, serde_expected: &str) -> Option<&'static str> {
    if serde_expected.starts_with("struct ") {
        return expected_by_type(serde_expected);
    }
    let is_list = serde_expected.starts_with("a sequence");
    match key {
        "cadence_offset" | "resistance_offset" => Some(OFFSET),
        "divisor" => Some(DIVISOR),
        "race_seconds" => Some(RACE_SECONDS),
        "grace_seconds" | "class_id" => Some(UP_TO_U16),
        "race_id" => Some(UP_TO_U64),
        "racer_id" => Some(UP_TO_U32),
        "cadence" | "resistance" => Some(FACTOR),
        "excluded_racers" if is_list => Some("a list of racer ids, such as [7, 12]"),
        "excluded_racers" => Some(UP_TO_U32),
        "excluded_races" => Some("a list of races, such as [{ class_id = 1, race_id = 5400800 }]"),
        "excluded_rides" => {
            Some("a list of rides, such as [{ class_id = 1, race_id = 5400800, racer_id = 7 }]")
        }
        "corrected_racers" => Some("a table of corrections, such as { 7 = { cadence = 0.9 } }"),
        "corrected_devices" => {
            Some("a table of corrections, such as { 'bike-7' = { cadence = 0.9 } }")
        }
        _ => None,
    }
}

/// What serde expects, in plain words, where the key is not known. `None` if its own words are plain.
pub(super) fn expected_by_type(serde_expected: &str) -> Option<&'static str> {
    match serde_expected {
        "struct ExcludedRace" => Some("a race, such as { class_id = 1, race_id = 5400800 }"),
        "struct ExcludedRide" => {
            Some("a ride, such as { class_id = 1, race_id = 5400800, racer_id = 7 }")
        }
        "struct Correction" => Some("a correction, such as { cadence = 0.9 }"),
        "f64" => Some("a number"),
        "u16" => Some(UP_TO_U16),
        "u32" => Some(UP_TO_U32),
        "u64" => Some(UP_TO_U64),
        _ => None,
    }
}
