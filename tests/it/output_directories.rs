//! `--out`: a run replaces only outputs of its own kind, all of them or none.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::run::{Workplace, contents, sample, view};
use crate::serving::{ServiceProcess, wait_for};

/// Commands without their output directory. `in` is an input, `rules.toml` are rules.
const COMMANDS: [&str; 4] = [
    "replay in",
    "batch in",
    "compare in --rules rules.toml",
    "simulate --hours 0.1 --racers 20 --concurrent 10",
];

/// A workplace with an input and rules.
fn workplace() -> Workplace {
    let place = Workplace::new();
    let last = sample(9, 5, 2, 1.0).replace("update", "final");
    place.write("in/1.jsonl", [sample(9, 5, 1, 0.5), last, view(9, "u"), "bad".into()].join("\n"));
    place.write("rules.toml", "divisor = 50");
    place
}

/// All files, directories and links below `root`: their content or target, and when they changed.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, Option<std::time::SystemTime>)> {
    let (mut tree, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = match metadata.is_file() {
                true => fs::read(&path).unwrap(),
                false => fs::read_link(&path)
                    .map_or(Vec::new(), |to| to.into_os_string().into_encoded_bytes()),
            };
            folders.extend(metadata.is_dir().then(|| path.clone()));
            let modified = metadata.is_file().then(|| metadata.modified().unwrap());
            tree.insert(path, (content, modified));
        }
    }
    tree
}

#[test]
fn directories_that_no_such_run_wrote_are_refused_and_not_touched() {
    let place = workplace();
    let service = ServiceProcess::start(&place.path("service"), "");
    assert_eq!(service.stop(), 0);
    place.write("mine/history/class-9.gz", "precious");
    place.write("file", "precious");
    fs::create_dir(place.path("linked")).unwrap();
    symlink(place.path("file"), place.path("linked/rejected.jsonl")).unwrap();
    symlink(place.path("missing"), place.path("dangling")).unwrap();
    for (command, out) in
        COMMANDS.iter().zip(["by-replay", "by-batch", "by-compare", "by-simulate"])
    {
        let ended = place.run(&format!("{command} --out {out}"));
        assert_eq!(ended.code, 0, "{command}: {}", ended.stderr);
    }
    let place_before = tree(&place.path(""));
    for command in COMMANDS {
        let is_result = command.starts_with("replay") || command.starts_with("batch");
        let others = match is_result {
            true => ["by-compare", "by-simulate"],
            false if command.starts_with("compare") => ["by-replay", "by-simulate"],
            false => ["by-batch", "by-compare"],
        };
        let all = ["service", "mine", "file", "linked", "dangling", "."];
        for out in all.into_iter().chain(others) {
            let ended = place.run(&format!("{command} --out {out}"));
            assert_eq!((ended.code, &*ended.stdout), (2, ""), "{command} {out}: {}", ended.stderr);
            let is_named = out == "." || ended.stderr.contains(&format!("'{out}'"));
            assert!(is_named, "{command} {out}: {}", ended.stderr);
            assert!(ended.stderr.contains("--out"), "{command} {out}: {}", ended.stderr);
            assert!(tree(&place.path("")) == place_before, "{command} {out}");
        }
    }
}

#[test]
fn a_directory_with_one_more_file_or_a_link_is_refused() {
    for command in COMMANDS {
        let place = workplace();
        let run = format!("{command} --out out");
        assert_eq!(place.run(&run).code, 0);
        // The same command again replaces its outputs.
        assert_eq!(place.run(&run).code, 0);
        place.write("out/history/mine.gz", "precious");
        let before = tree(&place.path("out"));
        let ended = place.run(&run);
        assert_eq!(ended.code, 2, "{command}: {}", ended.stderr);
        assert!(ended.stderr.contains("'history/"), "{command}: {}", ended.stderr);
        assert!(tree(&place.path("out")) == before, "{command}");

        fs::remove_file(place.path("out/history/mine.gz")).unwrap();
        fs::remove_dir(place.path("out/history")).unwrap_or_default();
        let first = fs::read_dir(place.path("out")).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            (!path.file_name().unwrap().to_string_lossy().starts_with('.')).then_some(path)
        });
        let replaced = first.unwrap();
        place.write("precious", "precious");
        fs::rename(&replaced, place.path("moved")).unwrap();
        symlink(place.path("precious"), &replaced).unwrap();
        let ended = place.run(&run);
        assert_eq!(ended.code, 2, "{command}: {}", ended.stderr);
        assert_eq!(fs::read_to_string(place.path("precious")).unwrap(), "precious");
    }
}

#[test]
fn a_service_does_not_start_on_the_outputs_of_a_command() {
    let place = workplace();
    assert_eq!(place.run("replay in --out out --rules rules.toml").code, 0);
    let before = tree(&place.path("out"));
    let ended = place.run("serve --data out --auth off --listen 127.0.0.1:0");
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("'out' has the outputs of another command"), "{}", ended.stderr);
    assert!(tree(&place.path("out")) == before);
}

#[test]
fn the_objects_of_a_simulation_are_replaced_and_its_manifest_is_not_an_input() {
    let place = Workplace::new();
    for (hours, rides) in [("0.3", 40), ("0.1", 10)] {
        let simulate = format!("simulate --racers 20 --concurrent 10 --views 0 --hours {hours}");
        assert_eq!(place.run(&format!("{simulate} --out objects")).code, 0);
        assert_eq!(place.run("replay objects --out out").code, 0);
        let summary = place.json("out/summary.json");
        assert_eq!((&summary["rejected"], &summary["rides"]), (&0.into(), &rides.into()));
    }
}

/// The outputs without the summary, which has the durations of the run.
fn outputs(place: &Workplace) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = tree(&place.path("out")).into_iter();
    files
        .filter(|(path, _)| path.file_name().unwrap() != "summary.json")
        .map(|(path, (content, _))| (path, content))
        .collect()
}

#[test]
fn a_killed_run_leaves_the_outputs_of_the_previous_run_or_all_of_its_own() {
    let mut random = Pcg64::seed_from_u64(1);
    for command in COMMANDS {
        let place = workplace();
        let simulate = "simulate --racers 300 --concurrent 60 --hours 0.2 --views 0.1";
        assert_eq!(place.run(&format!("{simulate} --out more.jsonl")).code, 0);
        let runs = match command.starts_with("simulate") {
            true => [format!("{command} --out out"), format!("{simulate} --out out")],
            false => {
                let more = command.replace(" in", " more.jsonl");
                [format!("{command} --out out"), format!("{more} --out out")]
            }
        };
        let started = std::time::Instant::now();
        let [first, second] = runs.each_ref().map(|run| {
            assert_eq!(place.run(run).code, 0);
            outputs(&place)
        });
        assert!(first != second, "{command}");
        let duration_ms = started.elapsed().as_millis() as u64;
        for turn in 0..12 {
            let mut child = place.spawn(&runs[turn % 2]);
            thread::sleep(Duration::from_millis(random.random_range(0..=duration_ms)));
            child.kill().unwrap();
            child.wait().unwrap();
            let left = outputs(&place);
            assert!(left == first || left == second, "{command}: {:?}", left.keys());
            assert!(place.path("out/summary.json").exists() || command.starts_with("simulate"));
        }
        assert_eq!(place.run(&runs[0]).code, 0);
        assert!(outputs(&place) == first, "{command}");
        assert!(!place.path(".out.velodrome").exists(), "{command}");
    }
}

#[test]
fn a_second_run_is_refused_while_the_first_writes() {
    for command in ["replay", "batch", "compare --rules rules.toml"] {
        let place = workplace();
        let mut first = place.spawn(&format!("{command} - --out out"));
        wait_for("the run has started", || {
            place.path(".out.velodrome/new/rejected.jsonl").exists()
        });
        for out in ["out", "./out/", "in/../out"] {
            let ended = place.run(&format!("{command} in --out {out}"));
            assert_eq!(ended.code, 2, "{command}: {}", ended.stderr);
            let part = format!("another run is writing to '{out}'");
            assert!(ended.stderr.contains(&part), "{command}: {}", ended.stderr);
        }
        assert!(!place.path("out").exists());
        drop(first.stdin.take());
        assert_eq!(first.wait().unwrap().code(), Some(0));
        assert!(place.path("out/summary.json").exists());
        assert_eq!(place.run(&format!("{command} in --out out")).code, 0);
    }
}

#[test]
fn a_run_that_fails_leaves_the_outputs_of_the_previous_run() {
    let place = workplace();
    for command in COMMANDS {
        let run = format!("{command} --out out");
        assert_eq!(place.run(&run).code, 0);
        let before = tree(&place.path("out"));
        // The shell forbids the run to write to files.
        let velodrome = env!("CARGO_BIN_EXE_velodrome");
        let script = format!("trap '' XFSZ; ulimit -f 0; exec {velodrome} {run}");
        let mut shell = Command::new("sh");
        let ended = shell.args(["-c", &script]).current_dir(place.path("")).output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{command}");
        assert!(tree(&place.path("out")) == before, "{command}");
        assert!(!place.path(".out.velodrome").exists(), "{command}");
        fs::remove_dir_all(place.path("out")).unwrap();
    }
}

#[test]
fn missing_parents_are_created_and_a_parent_that_cannot_be_written_is_named() {
    let place = workplace();
    for command in COMMANDS {
        let out = format!("a/{}/out/", command.len());
        let ended = place.run(&format!("{command} --out {out}"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(contents(&place.path(&out)).contains_key(Path::new(".velodrome.json")));
        // Not even root can write here.
        let ended = place.run(&format!("{command} --out /proc/out"));
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains("parent can be written"), "{}", ended.stderr);
    }
}

#[test]
fn outputs_are_written_through_a_link_to_a_directory() {
    let place = workplace();
    fs::create_dir_all(place.path("disk/results")).unwrap();
    symlink("disk/results", place.path("out")).unwrap();
    for _ in 0..2 {
        let ended = place.run("replay in --out out");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(place.path("out").is_symlink());
        assert!(contents(&place.path("disk/results")).len() > 4);
    }
    assert_eq!(fs::read_dir(place.path("disk")).unwrap().count(), 1);
}
