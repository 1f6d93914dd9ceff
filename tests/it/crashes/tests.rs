//! What a loss of power may leave of files, for many seeds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::disk::Disk;
use super::trace::Trace;

/// The calls of a process in a trace, with strings as they are.
const CREATED: &str = r#"
7  openat(AT_FDCWD, "/new", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 3
7  write(3, "one", 3) = 3
7  fsync(3) = 0
7  openat(AT_FDCWD, "/", O_RDONLY|O_CLOEXEC) = 4
7  fsync(4) = 0
"#;

/// Text as `strace` prints it: strings are hexadecimal, and paths are below `root`.
fn printed(calls: &str, root: &Path) -> String {
    let mut text = String::new();
    for (number, part) in calls.trim_start().split('"').enumerate() {
        match (number % 2, part.strip_prefix('/')) {
            (0, _) => text += part,
            (_, Some(name)) => text += &quoted(root.join(name).to_str().unwrap()),
            (_, None) => text += &quoted(part),
        }
    }
    text
}

fn quoted(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// The files, sorted, each as `name=contents`.
fn files(root: &Path) -> String {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        format!("{name}={}", fs::read_to_string(path).unwrap())
    };
    let files: BTreeSet<_> = entries.map(|path| file(&path)).collect();
    files.into_iter().collect::<Vec<_>>().join(" ")
}

/// All files that losses of power leave after `calls`, of which the files `visible` are the result.
fn remains(calls: &str, visible: &[(&str, &str)]) -> BTreeSet<String> {
    let of_seed = |seed| {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("data");
        let mut disk = Disk::create(&root);
        for (name, contents) in visible {
            fs::write(root.join(name), contents).unwrap();
        }
        disk.record(&Trace::parse(&printed(calls, &root)));
        disk.lose_power(&mut Pcg64::seed_from_u64(seed));
        files(&root)
    };
    (0..100).map(of_seed).collect()
}

fn set<const N: usize>(files: [&str; N]) -> BTreeSet<String> {
    files.map(str::to_owned).into()
}

#[test]
fn synced_files_remain() {
    assert_eq!(remains(CREATED, &[("new", "one")]), set(["new=one"]));
}

#[test]
fn a_file_whose_directory_was_not_synced_may_be_absent() {
    let calls = CREATED.lines().take(4).collect::<Vec<_>>().join("\n");
    assert_eq!(remains(&calls, &[("new", "one")]), set(["", "new=one"]));
}

#[test]
fn an_unsynced_rename_may_be_undone() {
    let renamed = CREATED.to_owned() + r#"7  rename("/new", "/old") = 0"#;
    assert_eq!(remains(&renamed, &[("old", "one")]), set(["new=one", "old=one"]));
    let synced = renamed + "\n7  fsync(4) = 0\n";
    assert_eq!(remains(&synced, &[("old", "one")]), set(["old=one"]));
}

#[test]
fn an_unsynced_removal_may_be_undone() {
    let removed = CREATED.to_owned() + r#"7  unlink("/new") = 0"#;
    assert_eq!(remains(&removed, &[]), set(["", "new=one"]));
}

#[test]
fn any_part_of_an_unsynced_write_may_remain() {
    let written = CREATED.to_owned() + r#"7  write(3, "two", 3) = 3"#;
    let left = remains(&written, &[("new", "onetwo")]);
    let expected = ["new=one", "new=one\0\0\0", "new=onet", "new=onetw", "new=onetwo"];
    assert_eq!(left, set(expected));
}

#[test]
fn a_write_during_a_sync_is_not_durable() {
    let calls = CREATED.to_owned()
        + r#"8  fdatasync(3 <unfinished ...>
7  pwrite64(3, "two", 3, 0) = 3
8  <... fdatasync resumed>)          = 0
"#;
    assert!(remains(&calls, &[("new", "two")]).contains("new=one"));
}

#[test]
fn an_interrupted_call_has_the_effect_that_the_files_show() {
    let calls = CREATED.to_owned()
        + r#"7  rename("/new", "/old" <unfinished ...>
8  write(3, "two", 3 <unfinished ...>
"#;
    let left = remains(&calls, &[("old", "onet")]);
    assert_eq!(left, set(["new=one", "new=one\0", "new=onet", "old=one", "old=one\0", "old=onet"]));
    assert_eq!(remains(&calls, &[("new", "one")]), set(["new=one"]));
}

#[test]
#[should_panic(expected = "not as recorded")]
fn a_change_that_is_not_in_the_trace_is_found() {
    remains(CREATED, &[("new", "two")]);
}
