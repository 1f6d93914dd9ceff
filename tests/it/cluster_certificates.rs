//! Replays whose processes authenticate each other with certificates.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::cluster::hosts;
use crate::cluster_forming::{connect, exit};
use crate::run::{Exit, Workplace, contents, sample};

/// Creates a directory with a CA, and the certificates of three processes.
pub(crate) fn create_certs(place: &Workplace, name: &str) {
    let created = place.run(&format!("cluster init --nodes 3 --dir {name}"));
    assert_eq!(created.code, 0, "{}", created.stderr);
}

fn workplace() -> Workplace {
    let place = Workplace::new();
    place.write("hosts", hosts());
    place.write("in/a.jsonl", sample(9, 1, 1, 0.0));
    place.write("in/b.jsonl", sample(8, 2, 2, 0.0));
    place.write("rules.toml", "divisor = 50");
    create_certs(&place, "certs");
    place
}

/// Runs `command` in two processes with these additional arguments.
fn run_two(place: &Workplace, command: &str, own: [&str; 2]) -> [Exit; 2] {
    let all = format!("{command} in --out out -n 2 -w 2 --hosts hosts");
    let processes = [0, 1].map(|p| place.spawn(&format!("{all} -p {p} {}", own[p])));
    processes.map(exit)
}

#[test]
fn processes_with_certificates_write_the_same_bytes() {
    for command in ["replay", "compare --rules rules.toml"] {
        let place = workplace();
        for ended in run_two(&place, command, ["--certs certs"; 2]) {
            assert_eq!(ended.code, 0, "{}", ended.stderr);
        }
        let alone = place.run(&format!("{command} in --out alone"));
        assert_eq!(alone.code, 0, "{}", alone.stderr);
        assert_eq!(contents(&place.path("out")), contents(&place.path("alone")), "{command}");
    }
}

#[test]
fn processes_without_certificates_of_one_ca_learn_why_they_cannot_connect() {
    let place = workplace();
    create_certs(&place, "foreign");
    let [certs, foreign] = ["--certs certs", "--certs foreign"];
    for (own, reason) in [
        ([certs, foreign], "it was not issued by the CA of this node"),
        ([certs, ""], "the peer speaks TLS, but this node has no certificate"),
        (["", certs], "check that it uses TLS"),
    ] {
        let [first, second] = run_two(&place, "replay --wait-seconds 3", own);
        assert_eq!([first.code, second.code], [2, 2]);
        let missing = "not all processes connected within 3 s; missing: process 1 at '127.0.0.1:";
        assert!(first.stderr.contains(missing), "{}", first.stderr);
        let named = "cannot connect to process 0 at '127.0.0.1:";
        assert!(second.stderr.contains(named), "{}", second.stderr);
        assert!(second.stderr.contains(reason), "{reason}: {}", second.stderr);
        assert!(!place.path("out").exists());
    }
}

#[test]
fn a_process_with_the_certificate_of_another_does_not_start() {
    let place = workplace();
    for (from, to) in [("node-2.pem", "node-1.pem"), ("node-2-key.pem", "node-1-key.pem")] {
        let file = |name| place.path(&format!("certs/{name}"));
        fs::copy(file(from), file(to)).unwrap();
    }
    let all = "replay in --out out -n 2 --hosts hosts -p 1";
    for (certs, part) in [
        ("certs", "'certs/node-1.pem' does not authenticate node 1: it is valid for 'node-2."),
        ("none", "cannot read the certificate of this node from 'none/node-1.pem'"),
    ] {
        let ended = place.run(&format!("{all} --certs {certs}"));
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn a_peer_that_claims_to_be_another_process_is_refused_and_the_run_continues() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
        return;
    }
    let place = workplace();
    let all = "replay in --out out -n 2 --hosts hosts --certs certs";
    let first = place.spawn(&format!("{all} -p 0"));
    let address = connect(&place).peer_addr().unwrap().to_string();
    let mut peer = Command::new("openssl");
    peer.args(["s_client", "-quiet", "-connect", &address, "-CAfile", "certs/ca.pem"]);
    peer.args(["-cert", "certs/node-2.pem", "-key", "certs/node-2-key.pem"]);
    peer.current_dir(place.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut peer = peer.stderr(Stdio::null()).spawn().unwrap();
    let hello = br#"{"hello":{"from":1,"to":0,"purpose":{"control":[["-w","7"]]}}}"#;
    let mut input = peer.stdin.take().unwrap();
    input.write_all(&[hello, &b"\n"[..]].concat()).unwrap();
    let mut reply = String::new();
    peer.stdout.take().unwrap().read_to_string(&mut reply).unwrap();
    peer.wait().unwrap();
    let reason = "its certificate is not that of process 1: it is valid for 'node-2.velodrome'";
    assert!(reply.contains(reason), "{reply}");

    let second = place.spawn(&format!("{all} -p 1"));
    for ended in [first, second].map(exit) {
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
}
