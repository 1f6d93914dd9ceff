//! Runs the binary in a temporary directory and reads the files that it wrote.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

/// The exit code and output of a run.
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A temporary directory that the binary runs in.
pub(crate) struct Workplace(TempDir);

impl Workplace {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Runs `velodrome` with arguments separated by spaces.
    pub(crate) fn run(&self, arguments: &str) -> Exit {
        self.run_with(arguments, &[], b"")
    }

    /// Replays what a service stored in the directory `data` into `out`: its archive, and the log's
    /// segments that are not archived yet. Either may be empty.
    pub(crate) fn replay_stored(&self, data: &str, out: &str) -> Exit {
        let inputs = ["archive", "log"].map(|name| format!("{data}/{name}"));
        let has_files = |name: &&String| fs::read_dir(self.path(name)).unwrap().next().is_some();
        let inputs: Vec<_> = inputs.iter().filter(has_files).map(String::as_str).collect();
        self.run(&format!("replay {} --out {out}", inputs.join(" ")))
    }

    /// Starts `velodrome` and leaves it running, with piped standard input, output and error.
    pub(crate) fn spawn(&self, arguments: &str) -> Child {
        self.spawn_with(arguments, &[])
    }

    /// Starts `velodrome` with environment variables and leaves it running.
    pub(crate) fn spawn_with(&self, arguments: &str, env: &[(&str, &str)]) -> Child {
        self.command(arguments).envs(env.iter().copied()).spawn().unwrap()
    }

    /// Starts `velodrome` with this standard input.
    pub(crate) fn spawn_reading(&self, arguments: &str, input: impl Into<Stdio>) -> Child {
        self.command(arguments).stdin(input).spawn().unwrap()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_velodrome"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `velodrome` with environment variables and standard input. It may exit before it has read
    /// all of the input.
    pub(crate) fn run_with(&self, arguments: &str, env: &[(&str, &str)], input: &[u8]) -> Exit {
        let mut child = self.command(arguments).envs(env.iter().copied()).spawn().unwrap();
        if let Err(error) = child.stdin.take().unwrap().write_all(input) {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        }
        let output = child.wait_with_output().unwrap();
        Exit {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `velodrome` with at most `files` open files.
    pub(crate) fn run_limited(&self, arguments: &str, files: usize) -> Exit {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("ulimit -n {files} && exec \"$0\" \"$@\""));
        shell.arg(env!("CARGO_BIN_EXE_velodrome")).args(arguments.split_whitespace());
        let output = shell.current_dir(self.0.path()).output().unwrap();
        Exit {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `batch`, then `replay` with one worker and with three, and asserts that exit codes and
    /// results are equal. `--out` must be `out`; it has the results of the last run.
    pub(crate) fn run_both(&self, arguments: &str, env: &[(&str, &str)], input: &[u8]) -> Exit {
        let (batch, one) = (self.path("by-batch"), self.path("by-one"));
        let mut exits = Vec::new();
        for (command, keep) in
            [("batch", Some(&batch)), ("replay -w 1", Some(&one)), ("replay -w 3", None)]
        {
            exits.push(self.run_with(&format!("{command} {arguments}"), env, input));
            if let Some(keep) = keep.filter(|_| self.path("out").is_dir()) {
                fs::remove_dir_all(keep).unwrap_or_default();
                fs::rename(self.path("out"), keep).unwrap();
            }
        }
        let codes: Vec<_> = exits.iter().map(|exit| exit.code).collect();
        let last = exits.pop().unwrap();
        assert_eq!(codes, [last.code; 3], "{}", last.stderr);
        if self.path("out").is_dir() {
            assert_eq!(contents(&one), contents(&self.path("out")), "with one worker and three");
            let verified = self.run("verify by-batch out");
            assert_eq!(verified.code, 0, "{}", verified.stdout);
            let (expected, actual) = ("by-batch/summary.json", "out/summary.json");
            for count in ["events", "rejected", "damaged", "late", "rides", "records"] {
                assert_eq!(self.json(expected)[count], self.json(actual)[count], "{count}");
            }
        }
        last
    }

    /// Runs both commands on one file of `lines`, asserts that they succeed, and returns the summary.
    pub(crate) fn results(&self, lines: &[String]) -> Value {
        self.write("events.jsonl", lines.join("\n"));
        let ended = self.run_both("events.jsonl --out out", &[], b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        self.json("out/summary.json")
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub(crate) fn json_lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The files of a result directory, without the summary, which has the run's durations.
pub(crate) fn contents(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let directories = [out.to_owned(), out.join("history")];
    let there = directories.iter().filter(|directory| directory.is_dir());
    for entry in there.flat_map(|directory| fs::read_dir(directory).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "summary.json" {
            files.insert(path.strip_prefix(out).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    files
}

/// The records of a history object by second and racer.
pub(crate) fn history(path: &Path) -> BTreeMap<u16, BTreeMap<u32, f64>> {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A sample of race 7 in class 1. Its cadence is 65, so that its output is the resistance + 65.
pub(crate) fn sample(device_ms: u64, racer: u32, second: u16, resistance: f64) -> String {
    format!(
        r#"{{"event":"update","deviceTimestamp":{device_ms},"raceId":7,"classId":1,"racerId":{racer},"second":{second},"cadence":65,"resistance":{resistance}}}"#
    )
}

/// A view of 10 ms of project "p".
pub(crate) fn view(device_ms: u64, uuid: &str) -> String {
    format!(
        r#"{{"event":"view","deviceTimestamp":{device_ms},"uuid":"{uuid}","projectId":"p","durationMs":10}}"#
    )
}
