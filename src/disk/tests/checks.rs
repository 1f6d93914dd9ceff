use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::simulated::{Disk, Failure, Operation, Plan};
use crate::atomic_file::replace_file;
use crate::disk::{File, create_dir_all, sync_dir};
use crate::store::{Condition, Directory, PutOptions, Store};

/// A disk in a directory of its own.
struct Fixture {
    root: tempfile::TempDir,
    disk: Arc<Disk>,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::mount(root.path());
        Self { root, disk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.disk.unmount();
    }
}

/// What is left of a file after a loss of power, for many seeds.
fn remains(prepare: impl Fn(&Fixture)) -> BTreeSet<Option<String>> {
    let of_seed = |seed| {
        let fixture = Fixture::new();
        prepare(&fixture);
        fixture.disk.lose_power(&mut Pcg64::seed_from_u64(seed));
        fixture.read("a")
    };
    (0..200).map(of_seed).collect()
}

#[test]
fn a_loss_of_power_keeps_what_was_synced_and_any_part_of_the_rest() {
    let synced = |fixture: &Fixture| {
        let mut file = File::create(&fixture.path("a")).unwrap();
        file.write_all(b"1").unwrap();
        file.sync_data().unwrap();
        sync_dir(fixture.root.path()).unwrap();
        file
    };
    assert_eq!(remains(|fixture| drop(synced(fixture))), [Some("1".to_owned())].into());
    let texts = remains(|fixture| synced(fixture).write_all(b"23").unwrap());
    let expected = ["1", "12", "123", "1\0\0"].map(|text| Some(text.to_owned()));
    assert_eq!(texts, expected.into());
}

#[test]
fn a_name_is_durable_after_a_sync_of_its_directory() {
    let write = |fixture: &Fixture| {
        let mut file = File::create(&fixture.path("a")).unwrap();
        file.write_all(b"1").unwrap();
        file.sync_all().unwrap();
    };
    assert_eq!(remains(write), [None, Some("1".to_owned())].into());
    let replaced = remains(|fixture| {
        write(fixture);
        let write = |mut out: &File| out.write_all(b"2");
        replace_file(fixture.root.path(), "a", write).unwrap();
    });
    assert_eq!(replaced, [Some("2".to_owned())].into());
    let in_directory = |fixture: &Fixture| {
        create_dir_all(&fixture.path("d/e")).unwrap();
        replace_file(&fixture.path("d/e"), "a", |mut out| out.write_all(b"3")).unwrap();
        fixture.disk.lose_power(&mut Pcg64::seed_from_u64(1));
        fixture.read("d/e/a")
    };
    assert_eq!(in_directory(&Fixture::new()), Some("3".to_owned()));
}

#[test]
fn operations_fail_as_planned_and_have_no_effect_after_a_crash() {
    let fixture = Fixture::new();
    let mut file = File::create_new(&fixture.path("a")).unwrap();
    fixture.disk.plan(|plan| plan.free_bytes = Some(3));
    assert_eq!(file.write(b"12345").unwrap(), 3);
    assert_eq!(file.write(b"45").unwrap_err().kind(), io::ErrorKind::StorageFull);
    let failure =
        Failure { operation: Operation::Sync, path: "a", error: io::ErrorKind::Interrupted };
    fixture.disk.plan(|plan| *plan = Plan { failures: vec![failure], ..Plan::default() });
    assert_eq!(file.sync_data().unwrap_err().kind(), io::ErrorKind::Interrupted);
    file.sync_data().unwrap();
    fixture.disk.plan(|plan| plan.crash_after = Some(1));
    file.write_all(b"4").unwrap();
    file.write_all(b"56").unwrap_err();
    file.write_all(b"7").unwrap_err();
    fixture.disk.restart();
    assert_eq!(fixture.read("a").unwrap(), "12345");
}

#[test]
fn a_directory_whose_creation_was_interrupted_becomes_durable_when_it_is_used() {
    for seed in 0..20 {
        let fixture = Fixture::new();
        fixture.disk.plan(|plan| plan.crash_after = Some(1));
        create_dir_all(&fixture.path("d/e")).unwrap_err();
        fixture.disk.restart();
        create_dir_all(&fixture.path("d/e")).unwrap();
        replace_file(&fixture.path("d/e"), "a", |mut out| out.write_all(b"1")).unwrap();
        fixture.disk.lose_power(&mut Pcg64::seed_from_u64(seed));
        assert_eq!(fixture.read("d/e/a").as_deref(), Some("1"), "{seed}");
    }
}

#[test]
fn an_object_whose_put_was_interrupted_is_durable_after_it_is_put_again() {
    let options =
        PutOptions { content_type: "text/plain", condition: Condition::Absent, acl: None };
    for seed in 0..20 {
        let fixture = Fixture::new();
        let store = Directory::new(fixture.path("d"));
        store.check().unwrap();
        let put = || store.put("a", options, &mut |out| out.write_all(b"1"));
        // The crash is at the last operation, the sync of the directory.
        fixture.disk.plan(|plan| plan.crash_after = Some(5));
        put().unwrap_err();
        assert!(fixture.path("d/a").exists());
        fixture.disk.restart();
        put().unwrap();
        fixture.disk.lose_power(&mut Pcg64::seed_from_u64(seed));
        assert_eq!(fixture.read("d/a").as_deref(), Some("1"), "{seed}");
    }
}
