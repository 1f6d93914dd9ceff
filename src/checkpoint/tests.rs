mod damage;
mod model;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use velodrome_dataflows::{BestFinal, Change, Curve, Output, Record, Rules, ViewCount, Viewed};

use super::*;

/// A directory, and the place of a checkpoint in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.redb");
    (directory, path)
}

fn open(path: &Path) -> Checkpoint {
    Checkpoint::open(path, &Rules::default()).unwrap()
}

fn record(outputs: &[(u16, f64)]) -> Record {
    let mut curve = Curve::default();
    for (second, output) in outputs {
        curve.raise(*second, *output);
    }
    curve.into()
}

fn finals(racers: u32) -> Vec<Change> {
    let best = BestFinal { output: Output(1.0), race: 1, at: 1 };
    (0..racers).map(|racer| Change::Final((1, racer), best)).collect()
}

/// All that is kept, as it is handed out.
fn read(checkpoint: &Checkpoint) -> Result<(Vec<Change>, Vec<Viewed>), CheckpointError> {
    let (mut changes, mut viewed) = (Vec::new(), Vec::new());
    checkpoint.read(|more, seen| {
        assert!(more.len() <= CHUNK && seen.len() <= CHUNK);
        changes.extend(more);
        viewed.extend(seen);
    })?;
    Ok((changes, viewed))
}

#[test]
fn is_complete_to_no_time_and_has_no_rules_until_something_was_written() {
    let (_directory, path) = place();
    assert_eq!(open(&path).complete(), None);
    let rules = Rules { race_seconds: 60, ..Rules::default() };
    let checkpoint = Checkpoint::open(&path, &rules).unwrap();
    assert_eq!((checkpoint.complete(), checkpoint.rules()), (None, &rules));
    assert_eq!(read(&checkpoint).unwrap(), (vec![], vec![]));
}

#[test]
fn hands_out_many_rows_in_chunks() {
    let (_directory, path) = place();
    let changes = finals(2 * CHUNK as u32 + 1);
    let mut checkpoint = open(&path);
    let written = checkpoint.write(1, changes.clone(), Vec::new()).unwrap();
    assert_eq!(written.rows, changes.len() as u64);
    assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
    let mut chunks = Vec::new();
    checkpoint.read(|more, _| chunks.push(more.len())).unwrap();
    assert_eq!(chunks, [CHUNK, CHUNK, 1]);
    assert_eq!(read(&checkpoint).unwrap().0, changes);
}

#[test]
fn goes_on_under_its_own_rules_and_names_both_values_of_others() {
    let (_directory, path) = place();
    let own = Rules { excluded_racers: [7].into(), ..Rules::default() };
    Checkpoint::open(&path, &own).unwrap().write(5, Vec::new(), Vec::new()).unwrap();
    let rules = Rules { cadence_offset: 30.5, race_seconds: 60, ..Rules::default() };
    let checkpoint = Checkpoint::open(&path, &rules).unwrap();
    assert_eq!((checkpoint.complete(), checkpoint.rules()), (Some(5), &own));
    checkpoint.check(&own).unwrap();
    let expected = format!(
        "the checkpoint '{}' was made under other rules: cadence_offset was 35.0 and is 30.5 now, \
         excluded_racers was [7] and is empty now, race_seconds was 300 and is 60 now; start \
         without --rules to go on under its own, or with --rebuild to go over to these",
        path.display()
    );
    assert_eq!(checkpoint.check(&rules).unwrap_err().to_string(), expected);
}

#[test]
fn takes_the_place_of_another_and_goes_on_there() {
    let (directory, path) = place();
    let rebuilt = directory.path().join("rebuilt.redb");
    let rules = Rules { race_seconds: 60, ..Rules::default() };
    let old = open(&path);
    let mut checkpoint = Checkpoint::open(&rebuilt, &rules).unwrap();
    checkpoint.write(5, finals(3), Vec::new()).unwrap();
    checkpoint.take_place(&path).unwrap();
    drop(old);
    checkpoint.write(6, finals(4), Vec::new()).unwrap();
    drop(checkpoint);
    assert!(!rebuilt.exists());
    let checkpoint = open(&path);
    assert_eq!((checkpoint.complete(), checkpoint.rules()), (Some(6), &rules));
    assert_eq!(read(&checkpoint).unwrap().0, finals(4));
}

#[test]
fn of_another_format_is_refused() {
    let (_directory, path) = place();
    open(&path).write(5, Vec::new(), Vec::new()).unwrap();
    let store = Database::open(&path).unwrap();
    let write = store.begin_write().unwrap();
    let definition = redb::TableDefinition::<&str, &str>::new("meta");
    write.open_table(definition).unwrap().insert("format", "1").unwrap();
    write.commit().unwrap();
    drop(store);
    let error = Checkpoint::open(&path, &Rules::default()).unwrap_err().to_string();
    assert!(error.contains("has the format 1, and this version reads the format 2"), "{error}");
}

#[test]
fn in_use_is_refused_until_it_is_closed() {
    let (_directory, path) = place();
    let checkpoint = open(&path);
    let error = Checkpoint::open(&path, &Rules::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::InUse(ref at) if *at == path), "{error}");
    drop(checkpoint);
    open(&path);
}

#[test]
fn discarded_begins_anew_whatever_was_there() {
    let (_directory, path) = place();
    Checkpoint::discard(&path).unwrap();
    fs::write(&path, "no checkpoint").unwrap();
    Checkpoint::discard(&path).unwrap();
    assert_eq!(open(&path).complete(), None);
}

#[test]
fn that_could_not_be_made_names_the_file() {
    let (directory, _) = place();
    let path = directory.path().join("missing/checkpoint.redb");
    let error = Checkpoint::open(&path, &Rules::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_beginning_cut_short_by_a_crash_is_begun_again() {
    let (_directory, path) = place();
    fs::write(path.with_extension("new"), "half").unwrap();
    assert_eq!(open(&path).complete(), None);
}

#[test]
fn after_a_crash_it_holds_the_last_write_alone() {
    let (_directory, path) = place();
    let mut checkpoint = open(&path);
    checkpoint.write(1, finals(3), Vec::new()).unwrap();
    let more = vec![Change::Record((1, 1), record(&[(3, 7.0)]))];
    checkpoint.write(2, more, Vec::new()).unwrap();
    // What a process that is killed leaves behind: no one closed the file.
    let (_directory, crashed) = place();
    fs::copy(&path, &crashed).unwrap();
    let crashed = open(&crashed);
    assert_eq!(crashed.complete(), Some(2));
    assert_eq!(read(&crashed).unwrap(), read(&checkpoint).unwrap());
}

#[test]
fn tries_again_what_a_write_that_failed_was_to_keep() {
    let (_directory, path) = place();
    let mut checkpoint = open(&path);
    checkpoint.write(1, finals(3), Vec::new()).unwrap();
    let spoil = |checkpoint: &Checkpoint, value: Option<&[u8]>| {
        let write = checkpoint.store.as_ref().unwrap().begin_write().unwrap();
        let mut table = write.open_table(FINALS).unwrap();
        match value {
            Some(value) => drop(table.insert((1, 2), value).unwrap()),
            None => drop(table.remove((1, 2)).unwrap()),
        }
        drop(table);
        write.commit().unwrap();
    };
    spoil(&checkpoint, Some(b"junk"));
    let more = vec![Viewed::Count("p".into(), ViewCount { views: 1, duration_ms: 5 })];
    for time in [2, 3] {
        let error = checkpoint.write(time, finals(3), more.clone()).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
        assert_eq!(checkpoint.complete(), Some(1));
    }
    checkpoint.store = Some(super::open(&path).unwrap());
    spoil(&checkpoint, None);
    checkpoint.write(4, Vec::new(), more).unwrap();
    assert_eq!(checkpoint.complete(), Some(4));
    let (changes, viewed) = read(&checkpoint).unwrap();
    assert!(finals(3).iter().all(|change| changes.contains(change)), "{changes:?}");
    let count = ViewCount { views: 3, duration_ms: 15 };
    assert_eq!(viewed, [Viewed::Count("p".into(), count)]);
}
