//! What a checkpoint says of itself: its format, the rules, the time that it is complete to; as text,
//! for whoever opens the file with another tool.

use std::collections::BTreeSet;

use redb::{ReadableDatabase, TableDefinition, TableError, WriteTransaction};
use serde_json::{Map, Value};
use velodrome_dataflows::{Clock, Rules};

use super::error::Fault;
use crate::rules;

/// Goes up whenever what is kept, or how, changes.
pub(super) const FORMAT: &str = "2";

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The rules that the checkpoint in `store` is made under, and the time that it is complete to; none where
/// nothing was ever written.
///
/// # Errors
/// Another format.
pub(super) fn read(store: &redb::Database) -> Result<Option<(Rules, Clock)>, Fault> {
    let read = store.begin_read()?;
    let meta = match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        meta => meta?,
    };
    let text = |key| match meta.get(key)? {
        Some(value) => Ok(value.value().to_owned()),
        None => Err(Fault::Damage(format!("it does not say its {key}"))),
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
    Ok(Some((rules, complete)))
}

/// Whether a checkpoint that was `made_under` some rules goes with `rules`.
///
/// # Errors
/// Each rule that differs, with both values.
pub(super) fn check(made_under: &Rules, rules: &Rules) -> Result<(), Fault> {
    match differences(&to_map(made_under)?, &to_map(rules)?) {
        differences if differences.is_empty() => Ok(()),
        differences => Err(Fault::Rules(differences)),
    }
}

/// Says of the checkpoint that `write` makes that it holds all that came to `complete` under `rules`.
pub(super) fn say(write: &WriteTransaction, complete: Clock, rules: &Rules) -> Result<(), Fault> {
    let mut meta = write.open_table(META)?;
    meta.insert("format", FORMAT)?;
    meta.insert("rules", rules::canonical(rules).as_str())?;
    meta.insert("rules_id", rules::id(rules).as_str())?;
    meta.insert("complete", complete.to_string().as_str())?;
    Ok(())
}

fn to_map(rules: &Rules) -> Result<Map<String, Value>, Fault> {
    match serde_json::to_value(rules) {
        Ok(Value::Object(map)) => Ok(map),
        other => Err(Fault::Rules(format!("{other:?} are no rules"))),
    }
}

/// The rules that differ, each with both values.
fn differences(made_under: &Map<String, Value>, now: &Map<String, Value>) -> String {
    let rules: BTreeSet<_> = made_under.keys().chain(now.keys()).collect();
    let differing = rules.into_iter().filter(|rule| made_under.get(*rule) != now.get(*rule));
    let shown = |value: Option<&Value>| value.map_or("empty".to_owned(), Value::to_string);
    let told = differing.map(|rule| {
        let (before, now) = (shown(made_under.get(rule)), shown(now.get(rule)));
        format!("{rule} was {before} and is {now} now")
    });
    told.collect::<Vec<_>>().join(", ")
}
