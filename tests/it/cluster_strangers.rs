//! A port scan of the processes of a replay changes nothing, while they find each other and while they run.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::cluster::hosts;
use crate::cluster_certificates::create_certs;
use crate::cluster_forming::{connect, exit};
use crate::node_cluster::strangers::{disturb_all, occupy};
use crate::run::{Workplace, contents};

#[test]
fn a_port_scan_changes_nothing_while_a_replay_forms_and_runs() {
    for certs in ["", "--certs certs"] {
        let place = Workplace::new();
        let simulated = "simulate --hours 0.2 --racers 300 --concurrent 60 --views 0.2";
        let ended = place.run(&format!("{simulated} --out events.jsonl"));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        create_certs(&place, "certs");
        place.write("hosts", hosts());
        let addresses = fs::read_to_string(place.path("hosts")).unwrap();
        let addresses: Vec<_> = addresses.lines().take(2).map(str::to_owned).collect();

        let all = format!("replay - --out out -n 2 -w 1 --hosts hosts {certs}");
        let mut first = place.spawn_reading(&format!("{all} -p 0"), Stdio::piped());
        drop(connect(&place));
        disturb_all(&addresses[..1]);
        let silent = occupy(&addresses[0]);
        let second = place.spawn_reading(&format!("{all} -p 1"), Stdio::null());

        // The first half exceeds a pipe's buffer, so once it is written, the processes run.
        let events = fs::read(place.path("events.jsonl")).unwrap();
        let (begin, end) = events.split_at(events.len() / 2);
        assert!(begin.len() > 1 << 20, "{}", begin.len());
        let mut input = first.stdin.take().unwrap();
        input.write_all(begin).unwrap();
        drop(silent);
        disturb_all(&addresses);
        let silent = addresses.iter().map(|address| occupy(address)).collect::<Vec<_>>();
        input.write_all(end).unwrap();
        drop(input);
        for ended in [first, second].map(exit) {
            assert_eq!(ended.code, 0, "{}", ended.stderr);
        }
        drop(silent);
        let alone = place.run("replay events.jsonl --out alone");
        assert_eq!(alone.code, 0, "{}", alone.stderr);
        assert_eq!(contents(&place.path("out")), contents(&place.path("alone")), "{certs}");
    }
}
