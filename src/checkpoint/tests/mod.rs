//! Checkpoints as a service uses them: write, read, reopen.

mod damage;
mod model;

use std::fs;
use std::path::PathBuf;

use rand::SeedableRng;
use rand_pcg::Pcg64;
use tempfile::TempDir;
use velodrome_dataflows::{
    BestFinal, Change, Curve, DEDUP_DAYS, Name, Output, Record, Rules, SavedRide, ViewChange,
    ViewCount,
};

use super::*;
use crate::disk::tests::simulated::Disk;

/// A temporary directory, and the path of a checkpoint in it.
fn checkpoint_path() -> (TempDir, PathBuf) {
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

/// All saved changes, in the order they are read.
fn read(checkpoint: &Checkpoint) -> Result<(Vec<Change>, Vec<ViewChange>), CheckpointError> {
    let (mut changes, mut view_changes) = (Vec::new(), Vec::new());
    checkpoint.read(|some, some_of_views| {
        assert!(some.len() <= CHUNK && some_of_views.len() <= CHUNK);
        changes.extend(some);
        view_changes.extend(some_of_views);
    })?;
    Ok((changes, view_changes))
}

#[test]
fn a_new_checkpoint_is_empty_and_adopts_any_rules_until_the_first_write() {
    let (_directory, path) = checkpoint_path();
    assert_eq!(open(&path).complete(), None);
    let rules = Rules { race_seconds: 60, ..Rules::default() };
    let checkpoint = Checkpoint::open(&path, &rules).unwrap();
    assert_eq!((checkpoint.complete(), checkpoint.rules()), (None, &rules));
    assert_eq!(read(&checkpoint).unwrap(), (vec![], vec![]));
}

#[test]
fn the_covered_part_of_the_log_is_saved_and_stays_known() {
    let (_directory, path) = checkpoint_path();
    let mut checkpoint = open(&path);
    assert_eq!(checkpoint.covered(), None);
    let covered = Some(LogPosition { sequence: 3, bytes: 70 });
    checkpoint.write(1, finals(1), Vec::new(), covered).unwrap();
    assert_eq!(checkpoint.covered(), covered);
    // An earlier position is still covered.
    checkpoint.write(2, finals(1), Vec::new(), None).unwrap();
    assert_eq!(checkpoint.covered(), covered);
    drop(checkpoint);
    assert_eq!(open(&path).covered(), covered);
}

#[test]
fn many_rows_are_read_in_chunks() {
    let (_directory, path) = checkpoint_path();
    let changes = finals(2 * CHUNK as u32 + 1);
    let mut checkpoint = open(&path);
    let stats = checkpoint.write(1, changes.clone(), Vec::new(), None).unwrap();
    assert_eq!(stats.rows, changes.len() as u64);
    assert_eq!(stats.bytes, fs::metadata(&path).unwrap().len());
    let mut chunks = Vec::new();
    checkpoint.read(|more, _| chunks.push(more.len())).unwrap();
    assert_eq!(chunks, [CHUNK, CHUNK, 1]);
    assert_eq!(read(&checkpoint).unwrap().0, changes);
}

#[test]
fn a_write_counts_the_rows_of_all_tables_and_those_that_it_removes() {
    let (_directory, path) = checkpoint_path();
    let mut checkpoint = open(&path);
    let name = |racer| Change::Name(racer, Name { device_ms: 1, text: "a".into() });
    let records = (0..2).map(|racer| Change::Record((1, racer), record(&[(1, 1.0)])));
    let rides = (0..5).map(|racer| Change::Saved((1, 1, racer), SavedRide::Expired));
    let changes = records.chain(finals(3)).chain((0..4).map(name)).chain(rides).collect();
    let count = |project: &str| ViewChange::Count(project.into(), ViewCount::default());
    let counts = ["p", "q", "r", "s", "t", "u"].map(count).into_iter();
    let view_changes = counts.chain((0..7).map(|uuid| ViewChange::Seen(1, uuid))).collect();
    let stats = checkpoint.write(1, changes, view_changes, None).unwrap();
    assert_eq!(stats.rows, 2 + 3 + 4 + 5 + 6 + 7);
    let newer = vec![ViewChange::Seen(1 + DEDUP_DAYS + 2, 1)];
    assert_eq!(checkpoint.write(2, Vec::new(), newer, None).unwrap().rows, 1 + 7);
}

#[test]
fn a_checkpoint_keeps_its_own_rules_and_reports_both_values_of_each_difference() {
    let (_directory, path) = checkpoint_path();
    let own = Rules { excluded_racers: [7].into(), ..Rules::default() };
    Checkpoint::open(&path, &own).unwrap().write(5, Vec::new(), Vec::new(), None).unwrap();
    let rules = Rules { cadence_offset: 30.5, race_seconds: 60, ..Rules::default() };
    let checkpoint = Checkpoint::open(&path, &rules).unwrap();
    assert_eq!((checkpoint.complete(), checkpoint.rules()), (Some(5), &own));
    checkpoint.check(&own).unwrap();
    let expected = format!(
        "the checkpoint '{}' was made under different rules: cadence_offset was 35.0 and is 30.5 now, \
         excluded_racers was [7] and is empty now, race_seconds was 300 and is 60 now; start \
         without --rules to continue under its own, or with --rebuild to switch to these",
        path.display()
    );
    assert_eq!(checkpoint.check(&rules).unwrap_err().to_string(), expected);
}

#[test]
fn a_renamed_checkpoint_replaces_another_and_accepts_writes() {
    let (directory, path) = checkpoint_path();
    let rebuilt = directory.path().join("rebuilt.redb");
    let rules = Rules { race_seconds: 60, ..Rules::default() };
    let old = open(&path);
    let mut checkpoint = Checkpoint::open(&rebuilt, &rules).unwrap();
    checkpoint.write(5, finals(3), Vec::new(), None).unwrap();
    checkpoint.rename_to(&path).unwrap();
    drop(old);
    checkpoint.write(6, finals(4), Vec::new(), None).unwrap();
    drop(checkpoint);
    assert!(!rebuilt.exists());
    let checkpoint = open(&path);
    assert_eq!((checkpoint.complete(), checkpoint.rules()), (Some(6), &rules));
    assert_eq!(read(&checkpoint).unwrap().0, finals(4));
}

#[test]
fn a_new_file_and_a_new_name_survive_a_loss_of_power() {
    for seed in 0..20 {
        let (directory, path) = checkpoint_path();
        let disk = Disk::mount(directory.path());
        let lose_power = || disk.lose_power(&mut Pcg64::seed_from_u64(seed));
        open(&path).write(1, finals(3), Vec::new(), None).unwrap();
        lose_power();
        let mut checkpoint = open(&path);
        assert_eq!(checkpoint.complete(), Some(1), "{seed}");
        let renamed = directory.path().join("renamed.redb");
        checkpoint.rename_to(&renamed).unwrap();
        drop(checkpoint);
        lose_power();
        assert_eq!(open(&renamed).complete(), Some(1), "{seed}");
        disk.unmount();
    }
}

#[test]
fn rejects_another_format() {
    let (_directory, path) = checkpoint_path();
    open(&path).write(5, Vec::new(), Vec::new(), None).unwrap();
    let store = Database::open(&path).unwrap();
    let write = store.begin_write().unwrap();
    let definition = redb::TableDefinition::<&str, &str>::new("meta");
    write.open_table(definition).unwrap().insert("format", "1").unwrap();
    write.commit().unwrap();
    drop(store);
    let error = Checkpoint::open(&path, &Rules::default()).unwrap_err().to_string();
    assert!(error.contains("has the format 1, and this version reads the format 3"), "{error}");
}

#[test]
fn rejects_a_file_that_is_open_until_it_is_closed() {
    let (_directory, path) = checkpoint_path();
    let checkpoint = open(&path);
    let error = Checkpoint::open(&path, &Rules::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::InUse(ref at) if *at == path), "{error}");
    drop(checkpoint);
    open(&path);
}

#[test]
fn a_discarded_checkpoint_starts_empty_whatever_the_file_was() {
    let (_directory, path) = checkpoint_path();
    Checkpoint::discard(&path).unwrap();
    fs::write(&path, "no checkpoint").unwrap();
    Checkpoint::discard(&path).unwrap();
    assert_eq!(open(&path).complete(), None);
}

#[test]
fn a_file_that_cannot_be_created_is_named() {
    let (directory, _) = checkpoint_path();
    let path = directory.path().join("missing/checkpoint.redb");
    let error = Checkpoint::open(&path, &Rules::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_creation_that_a_crash_cut_short_is_repeated() {
    let (_directory, path) = checkpoint_path();
    fs::write(path.with_extension("new"), "half").unwrap();
    assert_eq!(open(&path).complete(), None);
}

#[test]
fn after_a_crash_the_last_write_is_there_completely() {
    let (_directory, path) = checkpoint_path();
    let mut checkpoint = open(&path);
    checkpoint.write(1, finals(3), Vec::new(), None).unwrap();
    let more = vec![Change::Record((1, 1), record(&[(3, 7.0)]))];
    checkpoint.write(2, more, Vec::new(), None).unwrap();
    // A killed process leaves a file that was not closed.
    let (_directory, crashed) = checkpoint_path();
    fs::copy(&path, &crashed).unwrap();
    let crashed = open(&crashed);
    assert_eq!(crashed.complete(), Some(2));
    assert_eq!(read(&crashed).unwrap(), read(&checkpoint).unwrap());
}

#[test]
fn changes_of_a_failed_write_are_written_by_the_next_one() {
    let (_directory, path) = checkpoint_path();
    let mut checkpoint = open(&path);
    checkpoint.write(1, finals(3), Vec::new(), None).unwrap();
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
    let more = vec![ViewChange::Count("p".into(), ViewCount { views: 1, duration_ms: 5 })];
    for time in [2, 3] {
        let error = checkpoint.write(time, finals(3), more.clone(), None).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
        assert_eq!(checkpoint.complete(), Some(1));
    }
    // The failed write closed the file. Now it cannot be opened either.
    let away = path.with_extension("away");
    fs::rename(&path, &away).unwrap();
    checkpoint.write(4, Vec::new(), more.clone(), None).unwrap_err();
    fs::rename(&away, &path).unwrap();
    checkpoint.store = Some(super::file::open(&path).unwrap());
    spoil(&checkpoint, None);
    checkpoint.write(5, Vec::new(), more, None).unwrap();
    assert_eq!(checkpoint.complete(), Some(5));
    let (changes, view_changes) = read(&checkpoint).unwrap();
    assert!(finals(3).iter().all(|change| changes.contains(change)), "{changes:?}");
    let count = ViewCount { views: 4, duration_ms: 20 };
    assert_eq!(view_changes, [ViewChange::Count("p".into(), count)]);
}
