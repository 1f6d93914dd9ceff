//! `velodrome backup` copies a running service consistently, and a service on the copy answers the same.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::bans;
use crate::integrity::damage;
use crate::restarts::{StoppedService, answers, files_below};
use crate::run::{Exit, Workplace, sample, view};
use crate::serving::{ServiceProcess, now_ms, startup_error, wait_for};

fn backup(place: &Workplace) -> Exit {
    place.run("backup data --to backup")
}

/// Makes a backup that must be complete.
fn complete_backup(place: &Workplace) -> String {
    let exit = backup(place);
    assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stdout.contains("is complete"), "{}", exit.stdout);
    exit.stdout
}

/// Asserts that the backup is refused or fails, with a message.
fn assert_error(place: &Workplace, says: &str) {
    let exit = backup(place);
    assert_eq!(exit.code, 2, "{}", exit.stdout);
    assert!(exit.stderr.contains(says), "{}", exit.stderr);
}

#[test]
fn a_backup_of_a_stopped_service_answers_the_same_and_the_next_one_copies_what_is_new() {
    let stopped = StoppedService::new();
    let place = &stopped.place;
    let printed = complete_backup(place);
    assert!(printed.contains("copied 2 objects"), "{printed}");
    assert_eq!(place.run("check backup").code, 0);

    // The segment of the first backup is archived, and bans and rules change.
    let serving = stopped.start("");
    wait_for("the segment is archived", || files_below(&place.path("data/archive")).len() == 3);
    bans::set(&serving, 9, true);
    let printed = complete_backup(place);
    assert!(printed.contains("copied 1 objects"), "{printed}");
    assert!(printed.contains("3 objects with 60 events, 1 of them read"), "{printed}");
    assert_eq!(complete_backup(place).matches("copied 0 objects").count(), 1);
    assert_eq!(
        files_below(&place.path("backup/log")).len(),
        files_below(&place.path("data/log")).len()
    );
    assert_eq!(serving.stop(), 0);

    // A service makes the backup its own, so a later backup does not replace it.
    let restored = ServiceProcess::start(&place.path("backup"), stopped.clock());
    assert_eq!(answers(&restored), stopped.answers);
    assert_eq!(restored.get("/v1/bans"), json!({"racers": [9]}));
    assert_error(place, "has files and is not a backup");
    assert_eq!(restored.stop(), 0);
    assert_error(place, "has files and is not a backup");
}

#[test]
fn a_backup_under_load_has_all_events_that_were_acknowledged_before_it() {
    let place = Workplace::new();
    // A segment is closed after a minute of the service's clock: 0.3 s. Checkpoints are as frequent as possible.
    let arguments = format!("--clock-speed 200 --clock-from {} --checkpoint-seconds 1", now_ms());
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let (is_over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut acknowledged = Vec::new();
    thread::scope(|scope| {
        let post = || {
            for number in 0.. {
                let second = u16::try_from(number % 300 + 1).unwrap();
                let race = format!("\"raceId\":{}", number / 300 + 1);
                let ride = sample(1, 1, second, 1.0).replace("\"raceId\":7", &race);
                serving.post(&[view(1, &number.to_string()), ride].join("\n"));
                sent.store(number + 1, Ordering::Release);
                if number % 50 == 0 {
                    bans::set(&serving, u32::try_from(number + 100).unwrap(), true);
                }
                if is_over.load(Ordering::Acquire) {
                    return;
                }
            }
        };
        let poster = scope.spawn(post);
        for round in 1..=6 {
            let objects = || files_below(&place.path("data/archive")).len();
            wait_for("segments are archived", || objects() > 2 * round || poster.is_finished());
            acknowledged.push(sent.load(Ordering::Acquire));
            let to = format!("backup-{round}");
            let exit = place
                .run(&format!("backup data --to {}", if round % 2 == 0 { &to } else { "backup" }));
            assert_eq!(exit.code, 0, "{}{}", exit.stdout, exit.stderr);
        }
        is_over.store(true, Ordering::Release);
    });
    assert_eq!(serving.stop(), 0);
    complete_backup(&place);
    for (backup, round) in [("backup-2", 2), ("backup-4", 4), ("backup-6", 6)] {
        let exit = place.run(&format!("check {backup}"));
        assert_eq!(exit.code, 0, "{}", exit.stdout);
        let restored = ServiceProcess::start(&place.path(backup), &arguments);
        let views = restored.get("/v1/projects/p")["views"].as_u64().unwrap();
        assert!(views >= acknowledged[round - 1] as u64, "{backup}: {views} {acknowledged:?}");
        assert_eq!(restored.stop(), 0);
    }
    let final_answers = |data: &str| {
        let serving = ServiceProcess::start(&place.path(data), &arguments);
        wait_for("all races are over", || {
            let races = serving.get("/v1/races");
            races["rows"].as_array().unwrap().iter().all(|race| race["state"] == "over")
        });
        let answers = (answers(&serving), serving.get("/v1/bans"));
        assert_eq!(serving.stop(), 0);
        answers
    };
    assert_eq!(final_answers("backup"), final_answers("data"));
}

#[test]
fn an_interrupted_backup_is_never_complete_and_can_be_continued() {
    let stopped = StoppedService::new();
    let place = &stopped.place;
    // A directory in the place of the ban list ends the backup after everything else is copied.
    fs::create_dir_all(place.path("backup/bans.json")).unwrap();
    assert_error(place, "has files and is not a backup");
    fs::remove_dir(place.path("backup/bans.json")).unwrap();
    let serving = stopped.start("");
    bans::set(&serving, 9, true);
    assert_eq!(serving.stop(), 0);
    complete_backup(place);
    fs::remove_file(place.path("backup/bans.json")).unwrap();
    fs::create_dir(place.path("backup/bans.json")).unwrap();
    assert_error(place, "cannot write");
    fs::remove_dir(place.path("backup/bans.json")).unwrap();

    let exit = place.run("check backup");
    assert_eq!(exit.code, 1);
    assert!(exit.stdout.contains("'backup' is an incomplete backup"), "{}", exit.stdout);
    let error = startup_error(&place.path("backup"), stopped.clock());
    assert!(error.contains("is an incomplete backup; run velodrome backup again"), "{error}");
    complete_backup(place);
    let restored = ServiceProcess::start(&place.path("backup"), stopped.clock());
    assert_eq!(restored.get("/v1/bans"), json!({"racers": [9]}));
    assert_eq!(restored.stop(), 0);
}

#[test]
fn a_backup_with_damage_is_incomplete() {
    let stopped = StoppedService::new();
    let place = &stopped.place;
    damage(&place.path("data/log/00000000000000000003.jsonl"));
    let exit = backup(place);
    assert_eq!(exit.code, 1, "{}", exit.stderr);
    assert!(exit.stdout.contains("is damaged between its bytes"), "{}", exit.stdout);
    assert!(!exit.stdout.contains("is complete"), "{}", exit.stdout);
    let error = startup_error(&place.path("backup"), "");
    assert!(error.contains("is an incomplete backup"), "{error}");
    let accepted = format!("{} --accept-damage", stopped.clock());
    assert_eq!(ServiceProcess::start(&place.path("backup"), &accepted).stop(), 0);
}

#[test]
fn a_damaged_checkpoint_is_left_out_and_the_state_comes_from_the_log() {
    let stopped = StoppedService::new();
    let place = &stopped.place;
    fs::write(place.path("data/checkpoint.redb"), "no checkpoint").unwrap();
    let printed = complete_backup(place);
    assert!(printed.contains("the checkpoint is left out"), "{printed}");
    assert!(!place.path("backup/checkpoint.redb").exists());
    let restored = ServiceProcess::start(&place.path("backup"), stopped.clock());
    assert_eq!(answers(&restored), stopped.answers);
    assert_eq!(restored.stop(), 0);
}

#[test]
fn only_a_backup_of_the_same_service_is_replaced() {
    let (one, other) = (StoppedService::new(), StoppedService::new());
    let place = &one.place;
    complete_backup(place);
    let kept = fs::read(place.path("backup/backup.json")).unwrap();
    let other = other.place.path("data");
    let exit = place.run(&format!("backup {} --to backup", other.display()));
    assert_eq!(exit.code, 2, "{}", exit.stdout);
    assert!(exit.stderr.contains("is not a backup of this service"), "{}", exit.stderr);
    assert_eq!(fs::read(place.path("backup/backup.json")).unwrap(), kept);
    for (arguments, says) in [
        ("data --to data", "is in 'data', which is copied"),
        ("data --to data/archive/backup", "is in 'data', which is copied"),
        ("missing --to backup", "'missing' is not the data directory"),
    ] {
        let exit = place.run(&format!("backup {arguments}"));
        assert_eq!(exit.code, 2, "{arguments}: {}", exit.stdout);
        assert!(exit.stderr.contains(says), "{arguments}: {}", exit.stderr);
    }
    assert!(!place.path("data/archive/backup").exists());
}
