//! `velodrome demo`: every URL that it prints answers, and a cluster survives what it says to try.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use crate::run::Workplace;
use crate::serving::{agent, get, terminate, wait_for};

#[test]
fn the_demo_races_and_every_url_that_it_prints_answers() {
    let place = Workplace::new();
    let mut child = place.spawn("demo --port 0 --data data --log warn");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut tour: Vec<_> = Vec::new();
    for line in lines {
        tour.push(line);
        if tour.last().unwrap().contains("Ctrl-C") {
            break;
        }
    }
    let words = tour.iter().flat_map(|line| line.split([' ', '\'']));
    let urls: Vec<_> = words.filter(|word| word.starts_with("http://")).collect();
    assert!(urls.len() > 8 && urls[0].ends_with(|end: char| end.is_ascii_digit()), "{tour:?}");
    assert_eq!(urls[1], format!("{}/", urls[0]), "{tour:?}");
    let page = agent().get(urls[1]).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(page.contains("<html"), "{page}");
    let (streams, answers): (Vec<&str>, Vec<&str>) =
        urls[2..].iter().partition(|url| url.contains("stream?"));
    for url in streams {
        let mut answer = agent().get(url).call().unwrap();
        let lines = BufReader::new(answer.body_mut().as_reader()).lines().map(Result::unwrap);
        let mut snapshots = lines.filter(|line| line == "event: snapshot");
        assert!(snapshots.next().is_some(), "{url}");
    }
    for url in answers {
        let (status, body) = get(url);
        assert_eq!(status, 200, "{url}: {body}");
        let is_empty = body["rows"].as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty, "{url}: {body}");
    }
    assert_eq!(terminate(&mut child, "-TERM"), 0);
}

#[test]
fn a_cluster_waits_for_a_node_that_is_killed_and_leaves_nothing_behind() {
    let place = Workplace::new();
    let temporary = place.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let environment = [("TMPDIR", temporary.to_str().unwrap())];
    let mut child = place.spawn_with("demo --nodes 3 --port 0 --log warn", &environment);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut tour = Vec::new();
    while !tour.last().is_some_and(|line: &String| line.contains("Ctrl-C")) {
        tour.push(lines.next().unwrap());
    }
    // Lines such as "  node 0  http://127.0.0.1:7070/  process 123".
    let nodes = tour.iter().filter_map(|line| line.strip_prefix("  node "));
    let nodes: Vec<Vec<_>> = nodes.map(|line| line.split_whitespace().collect()).collect();
    let stale = |node: usize| {
        let url = format!("{}v1/races?limit=100", nodes[node][1]);
        let answer = agent().get(&url).call().unwrap();
        answer.headers().get("stale").map(|reason| reason.to_str().unwrap().to_owned())
    };
    assert_eq!(nodes.len(), 3, "{tour:?}");
    assert_eq!((stale(0), stale(1), stale(2)), (None, None, None));
    let processes: Vec<_> = nodes.iter().map(|node| node[3].to_owned()).collect();
    let kill = tour.iter().find_map(|line| line.strip_prefix("  lose a node   kill -9 ")).unwrap();
    assert_eq!(kill, processes[2]);

    assert!(Command::new("kill").args(["-9", kill]).status().unwrap().success());
    let reason = Some("the cluster waits for node 2".to_owned());
    wait_for("the others wait for the node", || stale(0) == reason && stale(1) == reason);
    assert!(lines.next().unwrap().starts_with("node 2 ended (signal: 9"));
    let restarted = lines.next().unwrap();
    let (_, after) = restarted.split_once("node 2 is process ").unwrap();
    let process = after.split(' ').next().unwrap();
    assert_ne!(process, kill);
    wait_for("the cluster continues", || (0..2).all(|node| stale(node).is_none()));
    let races =
        |node: usize| get(&format!("{}v1/races?limit=100", nodes[node][1])).1["rows"].clone();
    wait_for("all nodes show the same races", || {
        races(0) == races(1) && races(1) == races(2) && races(0).as_array().unwrap().len() > 18
    });

    assert_eq!(terminate(&mut child, "-TERM"), 0);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "a directory is left");
    for process in [&processes[0], &processes[1], &process.to_owned()] {
        assert!(!Path::new("/proc").join(process).exists(), "process {process} still runs");
    }
}

#[test]
fn the_nodes_of_a_demo_that_is_killed_end_too() {
    let place = Workplace::new();
    // A demonstration that is killed leaves its directory.
    let environment = [("TMPDIR", place.path("").display().to_string())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut child = place.spawn_with("demo --nodes 2 --port 0 --log warn", &environment);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let nodes = lines.filter_map(|line| Some(line.strip_prefix("  node ")?.to_owned())).take(2);
    let processes: Vec<_> =
        nodes.map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).collect();
    let is_running = |process: &u32| Path::new("/proc").join(process.to_string()).exists();
    assert!(processes.iter().all(is_running), "{processes:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("both nodes end", || !processes.iter().any(is_running));
}
