//! A run names the segments of a service's log that are missing among its inputs.

use std::fs;

use crate::restarts::{StoppedService, files_below};

#[test]
fn missing_segments_are_named_and_do_not_fail_the_run() {
    let stopped = StoppedService::new();
    let place = &stopped.place;
    let complete = place.run("replay data/archive data/log --out out");
    assert!(!complete.stdout.contains("missing"), "{}", complete.stdout);
    assert_eq!(place.json("out/summary.json")["missing"], serde_json::json!([]));

    let mut objects = files_below(&place.path("data/archive"));
    objects.sort();
    fs::remove_file(&objects[1]).unwrap();
    place.write("rules.toml", "divisor = 50");
    for command in
        ["replay --out out", "batch --out out", "compare --rules rules.toml --out changes"]
    {
        let ended = place.run(&format!("{command} data/archive data/log"));
        assert_eq!(ended.code, 0, "{command}: {}", ended.stderr);
        let line = ended.stdout.lines().find(|line| line.starts_with("missing "));
        let line = line.unwrap_or_else(|| panic!("{command}: {}", ended.stdout));
        assert!(line.contains("segments 2 to 2, between 'data/archive/"), "{command}: {line}");
        assert!(line.contains("and 'data/log/00000000000000000003.jsonl'"), "{command}: {line}");
    }
    let missing = &place.json("changes/summary.json")["missing"][0];
    assert_eq!((&missing["first"], &missing["last"]), (&2.into(), &2.into()));
}
