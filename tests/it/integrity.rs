//! Missing and damaged files of a data directory are found at the start.

use std::fs;
use std::path::Path;

use crate::bans;
use crate::restarts::{StoppedService, answers, files_below};
use crate::serving::ServiceProcess;

/// The error with which a service ends while it recovers.
fn recovery_error(stopped: &StoppedService) -> String {
    let data = stopped.place.path("data");
    let serving = ServiceProcess::start_unready(&data, "");
    assert_eq!(serving.wait(), 2);
    fs::read_to_string(stopped.place.path("data.stderr")).unwrap()
}

/// Changes a bit in the middle of a file.
pub(crate) fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_missing_object_or_archive_is_named_and_can_be_accepted() {
    let stopped = StoppedService::new();
    let checkpoint = stopped.place.path("data/checkpoint.redb");
    fs::remove_file(&checkpoint).unwrap();
    let mut objects = files_below(&stopped.place.path("data/archive"));
    objects.sort();
    fs::remove_file(&objects[1]).unwrap();
    let error = recovery_error(&stopped);
    assert!(error.contains("the log lacks the segments 2 to 2"), "{error}");
    let serving = stopped.start("--accept-damage");
    assert!(serving.log().contains("the log lacks the segments 2 to 2"), "{}", serving.log());
    let views = "/v1/projects/p";
    assert_ne!(answers(&serving)[views], stopped.answers[views], "the view was in the object");
    assert_eq!(serving.stop(), 0);

    // The checkpoint knows the part of the log that it covers.
    let stopped = StoppedService::new();
    let segment = stopped.place.path("data/log/00000000000000000003.jsonl");
    fs::remove_dir_all(stopped.place.path("data/archive")).unwrap();
    fs::remove_file(&segment).unwrap();
    let error = recovery_error(&stopped);
    assert!(error.contains("the log lacks the segments 3 to 3"), "{error}");
    assert!(error.contains("--accept-damage"), "{error}");
    assert_eq!(stopped.start("--accept-damage").stop(), 0);
}

#[test]
fn a_changed_bit_in_the_log_the_bans_or_the_rules_is_found() {
    let stopped = StoppedService::new();
    let segment = stopped.place.path("data/log/00000000000000000003.jsonl");
    damage(&segment);
    let error = stopped.startup_error("");
    assert!(error.contains("is damaged between its bytes"), "{error}");
    assert_eq!(stopped.start("--accept-damage").stop(), 0);
    assert_eq!(stopped.start("").stop(), 0);

    let stopped = StoppedService::new();
    let serving = stopped.start("");
    bans::set(&serving, 1, true);
    let list = stopped.place.path("data/bans.json");
    assert_eq!(serving.stop(), 0);
    damage(&list);
    let error = stopped.startup_error("");
    assert!(error.contains("bans.json' is damaged"), "{error}");
    fs::remove_file(&list).unwrap();

    // The rules are read if there is no checkpoint.
    fs::remove_file(stopped.place.path("data/checkpoint.redb")).unwrap();
    damage(&stopped.place.path("data/rules.json"));
    let error = stopped.startup_error("");
    assert!(error.contains("rules.json' are damaged"), "{error}");
}
