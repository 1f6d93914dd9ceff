//! The metadata of a checkpoint: its format, its rules and the time up to which it is complete. All
//! values are text, so that other tools can read them.

use std::collections::BTreeSet;

use redb::{ReadableDatabase, TableDefinition, TableError, WriteTransaction};
use serde_json::{Map, Value};
use velodrome_dataflows::{EventTime, Rules};

use super::error::Fault;
use super::format::FORMAT;
use crate::log::LogPosition;
use crate::rules;

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The metadata of a checkpoint.
pub(super) struct Meta {
    /// The rules under which it was made.
    pub(super) rules: Rules,
    /// The time up to which it is complete.
    pub(super) complete: EventTime,
    /// The part of the log that it covers, if it is known.
    pub(super) covered: Option<LogPosition>,
}

/// The metadata of the checkpoint in `store`. `None` before the first write.
///
/// # Errors
/// When the checkpoint has another format, or its metadata cannot be read.
pub(super) fn read(store: &redb::Database) -> Result<Option<Meta>, Fault> {
    let read = store.begin_read()?;
    let meta = match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        meta => meta?,
    };
    let text = |key| match meta.get(key)? {
        Some(value) => Ok(value.value().to_owned()),
        None => Err(Fault::Damage(format!("its {key} is missing"))),
    };
    let format = text("format")?;
    if format != FORMAT {
        return Err(Fault::Format(format));
    }
    let rules = text("rules")?;
    let unreadable = |_| Fault::Damage(format!("its rules are '{rules}'"));
    let rules = serde_json::from_str(&rules).map_err(unreadable)?;
    let complete = text("complete")?;
    let unreadable = |_| Fault::Damage(format!("its time is '{complete}'"));
    let complete = complete.parse().map_err(unreadable)?;
    let number = |key| match meta.get(key)? {
        Some(value) => {
            let value = value.value();
            let unreadable = |_| Fault::Damage(format!("its {key} is '{value}'"));
            value.parse().map(Some).map_err(unreadable)
        }
        None => Ok(None),
    };
    let covered = number("log_sequence")?.zip(number("log_bytes")?);
    let covered = covered.map(|(sequence, bytes)| LogPosition { sequence, bytes });
    Ok(Some(Meta { rules, complete, covered }))
}

/// Checks that a checkpoint made under `made_under` can be used with `rules`.
///
/// # Errors
/// When rules differ. The error lists each rule that differs, with both values.
pub(super) fn check(made_under: &Rules, rules: &Rules) -> Result<(), Fault> {
    match differences(&to_map(made_under)?, &to_map(rules)?) {
        differences if differences.is_empty() => Ok(()),
        differences => Err(Fault::Rules(differences)),
    }
}

/// Records that the checkpoint is complete up to `complete`, under `rules`, and covers the log up to `covered`.
pub(super) fn write(
    write: &WriteTransaction,
    complete: EventTime,
    rules: &Rules,
    covered: Option<LogPosition>,
) -> Result<(), Fault> {
    let mut meta = write.open_table(META)?;
    meta.insert("format", FORMAT)?;
    meta.insert("rules", rules::canonical(rules).as_str())?;
    meta.insert("rules_id", rules::id(rules).as_str())?;
    meta.insert("complete", complete.to_string().as_str())?;
    if let Some(LogPosition { sequence, bytes }) = covered {
        meta.insert("log_sequence", sequence.to_string().as_str())?;
        meta.insert("log_bytes", bytes.to_string().as_str())?;
    }
    Ok(())
}

fn to_map(rules: &Rules) -> Result<Map<String, Value>, Fault> {
    match serde_json::to_value(rules) {
        Ok(Value::Object(map)) => Ok(map),
        other => Err(Fault::Rules(format!("{other:?} are not rules"))),
    }
}

/// The rules that differ, each with both values.
fn differences(made_under: &Map<String, Value>, now: &Map<String, Value>) -> String {
    let rules: BTreeSet<_> = made_under.keys().chain(now.keys()).collect();
    let differing = rules.into_iter().filter(|rule| made_under.get(*rule) != now.get(*rule));
    let shown = |value: Option<&Value>| value.map_or("empty".to_owned(), Value::to_string);
    let described = differing.map(|rule| {
        let (before, now) = (shown(made_under.get(rule)), shown(now.get(rule)));
        format!("{rule} was {before} and is {now} now")
    });
    described.collect::<Vec<_>>().join(", ")
}
