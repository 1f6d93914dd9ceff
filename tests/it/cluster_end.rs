//! All processes of a run end with the same exit status.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::cluster::hosts;
use crate::cluster_forming::exit;
use crate::run::{Workplace, gzip, sample};

/// Three processes that replay the standard input of process 0, once all of them run. The input stays
/// open, so that the run does not end by itself.
fn running(place: &Workplace) -> [Child; 3] {
    place.write("hosts", hosts());
    let mut processes = [0, 1, 2].map(|process| {
        let input = if process == 0 { Stdio::piped() } else { Stdio::null() };
        let all = "replay - --out out -n 3 --hosts hosts -w 1";
        place.spawn_reading(&format!("{all} -p {process}"), input)
    });
    // The text exceeds a pipe's buffer, so once it is written, the cluster has formed and reads.
    processes[0].stdin.as_mut().unwrap().write_all(&vec![b'\n'; 1 << 20]).unwrap();
    processes
}

#[test]
fn all_processes_end_when_one_is_lost_and_name_it() {
    for lost in 0..3 {
        let place = Workplace::new();
        let mut processes = running(&place).map(Some);
        let input = processes[0].as_mut().unwrap().stdin.take();
        let mut killed = processes[lost].take().unwrap();
        killed.kill().unwrap();
        killed.wait().unwrap();
        for ended in processes.into_iter().flatten().map(exit) {
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            let part = format!("process {lost} at '127.0.0.1:");
            assert!(ended.stderr.contains(&part), "{}", ended.stderr);
            assert!(ended.stderr.contains("was lost"), "{}", ended.stderr);
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
        drop(input);
    }
}

#[test]
fn all_processes_end_with_status_1_when_an_input_is_damaged() {
    for command in ["replay", "compare --rules rules.toml"] {
        let place = Workplace::new();
        place.write("hosts", hosts());
        place.write("rules.toml", "divisor = 50");
        let whole = gzip(sample(9, 1, 1, 0.0).as_bytes());
        place.write("in/1.gz", &whole[..whole.len() / 2]);
        place.write("in/2.gz", &whole);
        let all = format!("{command} in --out out -n 2 --hosts hosts");
        for ended in [0, 1].map(|p| place.spawn(&format!("{all} -p {p}"))).map(exit) {
            assert_eq!(ended.code, 1, "{}", ended.stderr);
        }
    }
}

#[test]
fn all_processes_end_with_status_2_when_the_results_cannot_be_written() {
    for command in ["replay", "compare --rules rules.toml"] {
        let place = Workplace::new();
        place.write("hosts", hosts());
        place.write("in.jsonl", sample(9, 1, 1, 0.0));
        place.write("rules.toml", "divisor = 50");
        place.write("file", "");
        let all = format!("{command} in.jsonl --out file/out -n 3 --hosts hosts");
        let processes = [0, 1, 2].map(|p| place.spawn(&format!("{all} -p {p}"))).map(exit);
        for ended in &processes {
            assert_eq!(ended.code, 2, "{}", ended.stderr);
            assert!(ended.stderr.contains("cannot use 'file/out"), "{}", ended.stderr);
        }
        for ended in processes.iter().skip(1) {
            assert!(ended.stderr.contains("process 0 at '127.0.0.1:"), "{}", ended.stderr);
        }
    }
}

#[test]
fn all_processes_end_with_status_2_when_writing_fails_at_the_end() {
    let place = Workplace::new();
    place.write("hosts", hosts());
    place.write("in.jsonl", sample(9, 1, 1, 0.0));
    let all = "replay in.jsonl --out out -n 2 --hosts hosts";
    let other = place.spawn(&format!("{all} -p 1"));
    // The shell forbids process 0 to write to files.
    let velodrome = env!("CARGO_BIN_EXE_velodrome");
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {velodrome} {all} -p 0");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &script]).current_dir(place.path(""));
    let first = shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for ended in [first, other].map(exit) {
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains(".out.velodrome/new/"), "{}", ended.stderr);
    }
}
