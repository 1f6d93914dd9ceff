//! `velodrome cluster`: creates the files of a cluster, and prints its state at any node.

use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

use crate::cluster::hosts;
use crate::run::Workplace;
use crate::serving::{ServiceProcess, get, wait_for};

/// The files of a cluster of three nodes at free ports.
fn workplace() -> Workplace {
    let place = Workplace::new();
    let ended = place.run("cluster init --dir cluster");
    assert_eq!((ended.code, &*ended.stdout), (0, "cluster/cluster.toml\n"), "{}", ended.stderr);
    let mut text = std::fs::read_to_string(place.path("cluster/cluster.toml")).unwrap();
    for (node, address) in hosts().lines().enumerate() {
        text = text.replace(&format!("127.0.0.1:{}", 7170 + node), address);
    }
    place.write("cluster/cluster.toml", text);
    place
}

fn start(place: &Workplace, node: usize) -> ServiceProcess {
    let file = place.path("cluster/cluster.toml");
    let arguments = format!("--cluster {} --node {node}", file.display());
    ServiceProcess::start_unready(&place.path(&format!("data-{node}")), &arguments)
}

#[test]
fn any_node_knows_which_nodes_are_connected_and_whether_reads_are_answered() {
    let place = workplace();
    let status = |node: &ServiceProcess| place.run(&format!("cluster status {}", node.url));
    let mut nodes = vec![start(&place, 0), start(&place, 1)];
    wait_for("node 0 sees node 1", || status(&nodes[0]).stdout.contains("\n1  "));
    wait_for("node 0 waits for node 2", || {
        let (_, body) = get(&format!("{}/v1/cluster", nodes[0].url));
        let connected = [0, 1, 2].map(|id| {
            let is_it = |node: &&Value| node["id"] == id;
            body["nodes"].as_array().unwrap().iter().find(is_it).unwrap()["connected"].clone()
        });
        connected == [true, true, false].map(Value::from)
    });
    let waiting = status(&nodes[1]);
    assert_eq!(waiting.code, 1, "{}", waiting.stdout);
    assert!(waiting.stdout.contains("generation  none, waits: "), "{}", waiting.stdout);

    nodes.push(start(&place, 2));
    wait_for("all nodes answer reads", || nodes.iter().all(|node| status(node).code == 0));
    // All nodes have reported to node 0 within a second, which sends it to all.
    wait_for("all nodes answer the same", || {
        let rows =
            |node: &ServiceProcess| get(&format!("{}/v1/cluster", node.url)).1["nodes"].clone();
        let [a, b, c] = [&nodes[0], &nodes[1], &nodes[2]].map(rows);
        let has_reports = a.as_array().unwrap().iter().all(|node| node["logTime"].is_u64());
        has_reports && a == b && b == c
    });
    let live = status(&nodes[2]);
    assert!(live.stdout.contains("generation  1, answers reads"), "{}", live.stdout);
    assert_eq!(live.stdout.matches("  yes  ").count(), 3, "{}", live.stdout);

    nodes.remove(0).kill();
    wait_for("node 1 misses node 0", || status(&nodes[0]).code == 1);
    wait_for("the answers are marked as stale", || {
        let answer = ureq::get(format!("{}/v1/races", nodes[1].url)).call().unwrap();
        answer.headers().get("stale").is_some_and(|reason| reason == "the cluster waits for node 0")
    });
    let alone = status(&nodes[1]).stdout;
    assert!(alone.contains("  no   ") || alone.contains("  no       "), "{alone}");
    assert!(alone.contains("  unknown  "), "{alone}");
    let stopped = thread::scope(|scope| {
        let stops: Vec<_> = nodes.into_iter().map(|node| scope.spawn(|| node.stop())).collect();
        stops.into_iter().map(|stop| stop.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(stopped, [0, 0]);
}

#[test]
fn a_node_with_tls_answers_a_client_that_trusts_it_and_has_a_token() {
    let place = workplace();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    place.write("cert.pem", cert.pem());
    place.write("tls.pem", signing_key.serialize_pem());
    assert_eq!(place.run("key key.pem").code, 0);
    let token = place.run("token --key-file key.pem --ttl 5m --scope read").stdout;
    let token = token.trim_end();
    let [file, cert, tls, key] = ["cluster/cluster.toml", "cert.pem", "tls.pem", "key.pem"]
        .map(|name| place.path(name).display().to_string());
    let arguments = format!(
        "--cluster {file} --node 0 --tls-cert {cert} --tls-key {tls} --auth on --key-file {key}"
    );
    let node = ServiceProcess::start_unready(&place.path("data-0"), &arguments);
    let url = &node.url;
    let status = |arguments: &str| place.run(&format!("cluster status {url} {arguments}"));
    let answered = status(&format!("--ca {cert} --token {token}"));
    assert_eq!(answered.code, 1, "{}", answered.stderr);
    assert!(answered.stdout.contains("as node 0 knows it"), "{}", answered.stdout);
    for (arguments, part) in [
        (format!("--ca {cert}"), "401"),
        (format!("--token {token} --ca {key}"), "has no certificate; give a PEM file"),
        (format!("--token {token} --ca {key}.none"), "give their file with --ca"),
        (format!("--token {token} --ca {}", place.path("cluster/ca.pem").display()), "cannot ask"),
    ] {
        let refused = status(&arguments);
        assert_eq!((refused.code, &*refused.stdout), (2, ""));
        assert!(refused.stderr.contains(part), "{arguments}: {}", refused.stderr);
    }
}

#[test]
fn a_service_that_is_no_node_and_one_that_does_not_answer_are_errors() {
    let place = Workplace::new();
    let service = ServiceProcess::start(&place.path("data"), "");
    for (url, part) in [
        (service.url.as_str(), "404 Not Found: this service is not a node of a cluster"),
        ("http://127.0.0.1:1", "cannot ask 'http://127.0.0.1:1'"),
        ("localhost:7070", "give it as http://host:port"),
    ] {
        let ended = place.run(&format!("cluster status {url}"));
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn hosts_of_other_machines_share_their_ports() {
    let place = Workplace::new();
    let ended =
        place.run("cluster init --dir c --hosts 10.0.0.1,10.0.0.2,fd00::3 --workers 4 --port 7200");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let text = std::fs::read_to_string(place.path("c/cluster.toml")).unwrap();
    for part in [
        "workers = 4",
        "address = \"10.0.0.2:7200\"\nurl = \"http://10.0.0.2:7070\"",
        "address = \"[fd00::3]:7200\"",
    ] {
        assert!(text.contains(part), "{text}");
    }
    for (arguments, part) in [
        ("--hosts a,", "empty host"),
        ("--hosts a", "1 hosts"),
        ("--hosts a,b --nodes 3", "cannot be used with"),
        ("--port 65535", "give a smaller --port"),
    ] {
        let ended = place.run(&format!("cluster init --dir other {arguments}"));
        assert_eq!(ended.code, 2, "{arguments}");
        assert!(ended.stderr.contains(part), "{arguments}: {}", ended.stderr);
        assert!(!place.path("other").exists(), "{arguments}");
    }
}
