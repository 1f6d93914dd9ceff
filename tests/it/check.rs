//! `velodrome check` finds damaged and missing files by name, and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bans;
use crate::integrity::damage;
use crate::restarts::{StoppedService, files_below};
use crate::run::{Exit, Workplace, gzip, view};
use crate::serving::{ServiceProcess, now_ms, post, wait_for};

/// Checks the data directory of a service.
fn check(place: &Workplace) -> Exit {
    place.run("check data")
}

/// All files of a directory, with their contents.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = files_below(directory);
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The only object of the archive that has the events of segment `sequence`.
fn object(place: &Workplace, sequence: usize) -> PathBuf {
    let mut objects = files_below(&place.path("data/archive"));
    objects.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    objects.sort();
    objects.remove(sequence - 1)
}

fn segment(place: &Workplace) -> PathBuf {
    place.path("data/log/00000000000000000004.jsonl")
}

/// Asserts that the check finds only this, and ends with status 1.
fn assert_found(place: &Workplace, parts: &[&str]) {
    let exit = check(place);
    assert_eq!(exit.code, 1, "{}{}", exit.stdout, exit.stderr);
    for part in parts {
        assert!(exit.stdout.contains(part), "no '{part}' in:\n{}", exit.stdout);
    }
    assert!(exit.stdout.ends_with("findings: 1\n"), "{}", exit.stdout);
}

/// A stopped service with a ban and a dead letter.
fn stopped() -> StoppedService {
    let stopped = StoppedService::new();
    let serving = stopped.start("");
    bans::set(&serving, 1, true);
    assert_eq!(post(&serving.url, "no event").unwrap().0, 200);
    serving.post(&view(1, "z"));
    wait_for("the segments of earlier runs are archived", || {
        files_below(&stopped.place.path("data/log")).len() == 2
    });
    assert_eq!(serving.stop(), 0);
    stopped
}

#[test]
fn an_undamaged_service_has_no_findings_whether_it_is_stopped_or_running_or_was_killed() {
    let stopped = stopped();
    let data = stopped.place.path("data");
    let before = contents(&data);
    let exit = check(&stopped.place);
    assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);
    for line in [
        "checkpoint    complete up to ",
        "log           1 segments with 1 events",
        "archive       3 objects with 121 events",
        "bans          1 racers",
        "rules         ",
        "positions     none",
        "dead letters  1 files with 1 lines",
    ] {
        assert!(
            exit.stdout.lines().any(|found| found.starts_with(line)),
            "{line}: {}",
            exit.stdout
        );
    }
    assert!(contents(&data) == before, "the check changed a file");
    let archive = stopped.place.run("check data/archive");
    assert_eq!(archive.code, 0, "{}", archive.stderr);
    assert!(!archive.stdout.contains("checkpoint"), "{}", archive.stdout);

    let serving = stopped.start("");
    serving.post(&view(1, "b"));
    let exit = check(&stopped.place);
    assert_eq!(exit.code, 0, "{}", exit.stdout);
    assert!(exit.stdout.contains("service       running in"), "{}", exit.stdout);
    assert!(exit.stdout.contains("not checked, because the service has it open"));
    serving.post(&view(1, "c"));
    serving.kill();
    let exit = check(&stopped.place);
    assert_eq!(exit.code, 0, "{}", exit.stdout);
    assert!(exit.stdout.contains("checkpoint    complete up to "), "{}", exit.stdout);
    assert_eq!(stopped.start("").stop(), 0);
}

#[test]
fn a_service_that_writes_and_seals_is_never_reported_as_damaged() {
    let place = Workplace::new();
    // A segment is closed after a minute of the service's clock: 60 ms.
    let arguments = format!("--clock-speed 1000 --clock-from {}", now_ms());
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    for number in 0..15 {
        for part in 0..20 {
            serving.post(&view(1, &format!("{number}-{part}")));
        }
        let exit = check(&place);
        assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);
    }
    assert!(files_below(&place.path("data/archive")).len() > 5);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn each_kind_of_damage_is_found_by_name() {
    let stopped = stopped();
    let place = &stopped.place;
    let undamaged = place.path("undamaged");
    let copy = |from: &Path, to: &Path| {
        for path in files_below(from) {
            let to = to.join(path.strip_prefix(from).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&path, to).unwrap();
        }
    };
    copy(&place.path("data"), &undamaged);
    let object_2 = object(place, 2);
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let spool = files_below(&place.path("data/rejected")).remove(0);
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    type Case<'a> = (PathBuf, &'a dyn Fn(&Path), &'a str);
    let cases: [Case<'_>; 13] = [
        (segment(place), &|path| damage(path), "is damaged between its bytes"),
        (segment(place), &|path| cut(path), "is damaged between its bytes"),
        (segment(place), &|path| remove(path), "lacks the segments 4 to 4"),
        (object_2.clone(), &|path| damage(path), "cannot be read to its end"),
        (
            object_2.clone(),
            &|path| cut(path),
            "cannot be read to its end: the gzip stream is truncated",
        ),
        (object_2.clone(), &|path| remove(path), "lacks the segments 2 to 2"),
        (object_2, &|path| fs::write(path, gzip(b"{}\n")).unwrap(), "has 1 damaged lines"),
        (
            place.path("data/archive"),
            &|path| fs::remove_dir_all(path).unwrap(),
            "is empty or missing, but it should have the segments up to 3",
        ),
        (place.path("data/checkpoint.redb"), &|path| cut(path), "is damaged"),
        (place.path("data/bans.json"), &|path| damage(path), "is damaged"),
        (
            place.path("data/rules.json"),
            &|path| damage(path),
            "are damaged: it differs from its checksum",
        ),
        (spool.clone(), &|path| fs::write(path, "{\"a\":\n{}\n").unwrap(), "has 1 damaged lines"),
        // A line without end is not read into memory at once.
        (spool, &|path| fs::write(path, vec![b'x'; 100_000]).unwrap(), "has 1 damaged lines"),
    ];
    for (path, damage, says) in cases {
        damage(&path);
        let name = path.strip_prefix(place.path("")).unwrap().to_str().unwrap();
        let is_gap = says.starts_with("lacks");
        assert_found(place, &[if is_gap { "the log" } else { name }, says]);
        fs::remove_dir_all(place.path("data")).unwrap();
        copy(&undamaged, &place.path("data"));
    }
    place.write("data/positions.json", "{");
    assert_found(place, &["data/positions.json' is damaged"]);
}

#[test]
fn a_changed_bit_of_the_checkpoint_is_found() {
    let stopped = StoppedService::new();
    let path = stopped.place.path("data/checkpoint.redb");
    let intact = fs::read(&path).unwrap();
    // Most of a small file is not in use, so the changes are in each page.
    let mut bytes = intact.clone();
    (2048..bytes.len()).step_by(4096).for_each(|at| bytes[at] ^= 1);
    fs::write(&path, &bytes).unwrap();
    assert_found(&stopped.place, &["data/checkpoint.redb' is damaged", "--rebuild"]);
    fs::write(&path, "").unwrap();
    assert_found(&stopped.place, &["data/checkpoint.redb' is damaged: it is empty"]);
    fs::write(&path, intact).unwrap();
    assert_eq!(check(&stopped.place).code, 0);
}

#[test]
fn an_archive_elsewhere_is_named_and_nothing_to_check_is_status_2() {
    let stopped = StoppedService::new();
    fs::rename(stopped.place.path("data/archive"), stopped.place.path("elsewhere")).unwrap();
    assert_found(&stopped.place, &["is empty or missing", "--archive"]);
    let exit = stopped.place.run("check data --archive elsewhere");
    assert_eq!(exit.code, 0, "{}", exit.stdout);
    fs::create_dir(stopped.place.path("empty")).unwrap();
    for place in ["empty", "missing"] {
        let exit = stopped.place.run(&format!("check {place}"));
        assert_eq!(exit.code, 2);
        assert!(exit.stderr.contains("is neither the data directory"), "{}", exit.stderr);
    }
}

#[test]
fn the_archive_of_a_whole_cluster_is_not_that_of_a_node() {
    let stopped = stopped();
    let place = &stopped.place;
    fs::create_dir(place.path("archive")).unwrap();
    fs::rename(place.path("data/archive"), place.path("archive/node-0")).unwrap();
    for command in [
        "check data --archive archive",
        "check archive",
        "backup data --archive archive --to backup",
    ] {
        let exit = place.run(command);
        assert_eq!(exit.code, 2, "{command}: {}", exit.stdout);
        let part = "'archive' has the archives of a cluster; give that of one node, such as its folder 'node-0/'";
        assert!(exit.stderr.contains(part), "{command}: {}", exit.stderr);
    }
    assert_eq!(place.run("check data --archive archive/node-0").code, 0);
}
