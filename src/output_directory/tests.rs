//! Output directories: what is replaced, what is refused, and what an interrupted run leaves.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// All files, directories and symbolic links below `root`, with their content or target.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut tree, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (kind, path) = (entry.file_type().unwrap(), entry.path());
            let content = match () {
                () if kind.is_symlink() => {
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                }
                () if kind.is_dir() => Vec::new(),
                () => fs::read(&path).unwrap(),
            };
            folders.extend(kind.is_dir().then(|| path.clone()));
            tree.insert(path.strip_prefix(root).unwrap().to_owned(), content);
        }
    }
    tree
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Replaces the outputs in `out` by files with these names. Their content is `text`.
fn run(out: &Path, names: &[&str], text: &str) -> Result<(), OutputError> {
    let outputs = OutputDirectory::create(out, Kind::Results)?;
    names.iter().for_each(|name| write(&outputs.path().join(name), text));
    outputs.commit()
}

#[test]
fn outputs_replace_nothing_an_empty_directory_and_earlier_outputs() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("a/out");
    run(&out, &["x", "history/1.gz"], "first").unwrap();
    let manifest = r#"{"kind":"results","outputs":["history/","history/1.gz","x"]}"#;
    assert_eq!(fs::read_to_string(out.join(".velodrome.json")).unwrap(), manifest);
    run(&out, &["y", "history/2.gz"], "second").unwrap();
    let names: Vec<_> = tree(root.path()).into_keys().collect();
    let expected =
        ["a", "a/out", "a/out/.velodrome.json", "a/out/history", "a/out/history/2.gz", "a/out/y"];
    assert_eq!(names, expected.map(PathBuf::from));

    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(&empty, Permissions::from_mode(0o700)).unwrap();
    for text in ["first", "second"] {
        run(&empty, &["x"], text).unwrap();
        assert_eq!(fs::metadata(&empty).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(empty.join("x")).unwrap(), text);
    }
    // A link to a directory stays.
    symlink("empty", root.path().join("link")).unwrap();
    run(&root.path().join("link"), &["x"], "third").unwrap();
    assert_eq!(fs::read_to_string(empty.join("x")).unwrap(), "third");
}

#[test]
fn nothing_changes_if_a_run_is_dropped() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    run(&out, &["x"], "first").unwrap();
    let before = tree(root.path());
    let outputs = OutputDirectory::create(&out, Kind::Results).unwrap();
    write(&outputs.path().join("x"), "second");
    drop(outputs);
    assert_eq!(tree(root.path()), before);
}

#[test]
fn a_second_run_is_refused_until_the_first_has_ended() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let first = OutputDirectory::create(&out, Kind::Results).unwrap();
    let again = root.path().join("other/../out/");
    fs::create_dir(root.path().join("other")).unwrap();
    for out in [&out, &again] {
        let error = OutputDirectory::create(out, Kind::Results).unwrap_err();
        assert!(matches!(&error, OutputError::InUse(path) if path == out), "{error}");
    }
    first.commit().unwrap();
    run(&out, &["x"], "").unwrap();
}

#[test]
fn anything_else_is_refused_and_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let outside = at("outside");
    write(&outside, "precious");
    write(&at("file"), "precious");
    write(&at("files/.hidden"), "");
    write(&at("invalid/.velodrome.json"), "{}");
    run(&at("more"), &["x"], "").unwrap();
    write(&at("more/history/mine.gz"), "precious");
    run(&at("linked"), &["x", "rejected.jsonl"], "").unwrap();
    fs::remove_file(at("linked/rejected.jsonl")).unwrap();
    symlink(&outside, at("linked/rejected.jsonl")).unwrap();
    // A manifest that is a link is not the one that a run wrote.
    fs::create_dir(at("manifest")).unwrap();
    symlink(at("more/.velodrome.json"), at("manifest/.velodrome.json")).unwrap();
    symlink(at("missing"), at("dangling")).unwrap();
    OutputDirectory::create(&at("changes"), Kind::Changes).unwrap().commit().unwrap();
    let before = tree(root.path());
    for (name, part) in [
        ("file", "is not a directory"),
        ("files", "has '.hidden', which replay or batch did not write"),
        ("invalid", "has '.velodrome.json'"),
        ("more", "has 'history/'"),
        ("linked", "has 'rejected.jsonl'"),
        ("manifest", "has '.velodrome.json'"),
        ("dangling", "cannot use"),
        ("changes", "has the outputs of compare, which replay or batch does not replace"),
        ("missing/..", "cannot use"),
    ] {
        let error = run(&at(name), &["x"], "").unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
        assert_eq!(tree(root.path()), before, "{name}");
    }
    let current = std::env::current_dir().unwrap();
    for out in [current.as_path(), current.parent().unwrap()] {
        assert!(matches!(run(out, &[], ""), Err(OutputError::CurrentDirectory(_))));
    }
}

#[test]
fn a_file_that_appears_during_the_run_stays_and_the_outputs_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    for is_replaced in [false, true] {
        if is_replaced {
            fs::remove_dir_all(&out).unwrap();
            run(&out, &["x"], "first").unwrap();
        }
        let outputs = OutputDirectory::create(&out, Kind::Results).unwrap();
        write(&outputs.path().join("x"), "second");
        write(&out.join("mine"), "precious");
        let kept = outputs.path().join("x");
        let error = outputs.commit().unwrap_err();
        assert!(error.to_string().contains("the complete outputs are in"), "{error}");
        // A run that is refused does not remove them.
        assert!(matches!(run(&out, &["x"], "third"), Err(OutputError::Foreign { .. })));
        assert_eq!(fs::read_to_string(kept).unwrap(), "second");
        assert_eq!(fs::read_to_string(out.join("mine")).unwrap(), "precious");
    }
    fs::remove_file(out.join("mine")).unwrap();
    run(&out, &["y"], "").unwrap();
    assert_eq!(tree(root.path()).len(), 3, "{:?}", tree(root.path()));
}

#[test]
fn a_run_that_is_killed_while_it_replaces_in_two_steps_is_undone_by_the_next() {
    let root = tempfile::tempdir().unwrap();
    let (out, staging) = (root.path().join("out"), root.path().join(".out.velodrome"));
    let (new, old) = (staging.join("new"), staging.join("old"));
    run(&out, &["x"], "first").unwrap();
    let before = tree(&out);
    // Killed between the two steps.
    write(&new.join("x"), "second");
    fs::rename(&out, &old).unwrap();
    drop(OutputDirectory::create(&out, Kind::Results).unwrap());
    assert_eq!(tree(&out), before);
    assert!(!staging.exists());
    // Killed after them.
    fs::create_dir(&staging).unwrap();
    run(&root.path().join("other"), &["x"], "second").unwrap();
    fs::rename(root.path().join("other"), &new).unwrap();
    place::replace_in_two_steps(&new, &out, &old).unwrap();
    assert_eq!(tree(&old), before);
    drop(OutputDirectory::create(&out, Kind::Results).unwrap());
    assert_eq!(fs::read_to_string(out.join("x")).unwrap(), "second");
    assert!(!staging.exists());
    // A second step that fails undoes the first.
    fs::create_dir(&staging).unwrap();
    assert!(place::replace_in_two_steps(&new, &out, &old).is_err());
    assert_eq!(fs::read_to_string(out.join("x")).unwrap(), "second");
}

#[test]
fn only_listed_files_of_an_earlier_run_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let (out, staging) = (root.path().join("out"), root.path().join(".out.velodrome"));
    run(&out, &["x", "history/1.gz"], "first").unwrap();
    // As if a file had appeared just before the outputs were exchanged.
    write(&out.join("history/mine.gz"), "precious");
    fs::create_dir(&staging).unwrap();
    fs::rename(&out, staging.join("new")).unwrap();
    for _ in 0..2 {
        let error = run(&out, &["x"], "").unwrap_err().to_string();
        assert!(error.contains("has 'history/mine.gz', which no run wrote"), "{error}");
        let mine = fs::read_to_string(staging.join("new/history/mine.gz")).unwrap();
        assert_eq!(mine, "precious");
    }
    fs::remove_file(staging.join("new/history/mine.gz")).unwrap();
    run(&out, &["x"], "").unwrap();
    assert!(!staging.exists());

    // A directory with the name of the staging directory is not from a run.
    for foreign in ["mine", "new"] {
        write(&staging.join(foreign), "precious");
        let error = run(&out, &["x"], "").unwrap_err();
        assert!(matches!(error, OutputError::Staging(_)), "{error}");
        assert_eq!(fs::read_to_string(staging.join(foreign)).unwrap(), "precious");
        fs::remove_dir_all(&staging).unwrap();
    }
}

#[test]
fn names_in_a_manifest_lead_nowhere_else() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    write(&root.path().join("mine"), "precious");
    let manifest = r#"{"kind":"results","outputs":["../mine","x","/tmp/"]}"#;
    write(&out.join(".velodrome.json"), manifest);
    run(&out, &["x"], "").unwrap();
    assert_eq!(fs::read_to_string(root.path().join("mine")).unwrap(), "precious");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_directory_is_replaced_if_and_only_if_its_manifest_lists_all_files(
        files in prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2})?\\.x", "[a-z]{0,3}", 0..6),
        unlisted in prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2})?\\.y", "[a-z]{0,3}", 0..2),
        removed in any::<prop::sample::Index>(),
    ) {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        run(&out, &names, "first").unwrap();
        if !names.is_empty() {
            // A listed file that is missing is no obstacle.
            fs::remove_file(out.join(names[removed.index(names.len())])).unwrap();
        }
        unlisted.iter().for_each(|(name, text)| write(&out.join(name), text));
        let before = tree(root.path());
        match run(&out, &["new"], "second") {
            Ok(()) => {
                prop_assert!(unlisted.is_empty());
                let names: Vec<_> = tree(&out).into_keys().collect();
                prop_assert_eq!(names, [PathBuf::from(".velodrome.json"), PathBuf::from("new")]);
            }
            Err(error) => {
                prop_assert!(!unlisted.is_empty(), "{}", error);
                prop_assert_eq!(tree(root.path()), before);
            }
        }
        prop_assert!(!root.path().join(".out.velodrome").exists());
    }
}
