//! Nodes that cannot be part of a cluster, and how they and the others report it.

use std::fs;

use serde_json::json;

use super::{NodeCluster, Options};
use crate::run::view;
use crate::serving::{ServiceProcess, get, post, startup_error};

/// A cluster of which nodes 0 and 1 run. The files of node 2 are in a directory of its own.
fn without_node_2(options: Options) -> NodeCluster {
    let mut cluster = NodeCluster::create(options);
    cluster.start_node(0);
    cluster.start_node(1);
    fs::create_dir(cluster.place.path("cluster-2")).unwrap();
    for entry in fs::read_dir(cluster.place.path("cluster")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        fs::copy(&path, cluster.place.path(&format!("cluster-2/{name}"))).unwrap();
    }
    cluster
}

/// Changes the cluster file of node 2.
fn edit(cluster: &NodeCluster, from: &str, to: &str) {
    let name = "cluster-2/cluster.toml";
    let text = fs::read_to_string(cluster.place.path(name)).unwrap();
    assert!(text.contains(from), "{text}");
    cluster.place.write(name, text.replace(from, to));
}

/// Asserts that node 2 names why it is refused, and that the others wait. Then the cluster works with the right files.
fn assert_refused(mut cluster: NodeCluster, part: &str) {
    cluster.start_node(2);
    let reason = cluster.wait_note(2, part);
    assert!(reason.contains("node 0"), "{reason}");
    cluster.wait_note(0, "reads get 503: ");
    // Its data directory is new. It does not know whether events that it accepted would continue its log.
    let url = cluster.node(2).url.clone();
    let (status, refused) = post(&url, &view(1, "a")).unwrap();
    assert_eq!((status, &refused["error"]["code"]), (503, &json!("cluster_incomplete")));
    let (status, ready) = get(&format!("{url}/readyz"));
    assert_eq!(status, 503);
    let reason = ready["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("cluster_incomplete: the data directory is new"), "{reason}");
    cluster.stop(2);
    fs::remove_dir_all(cluster.place.path("cluster-2")).unwrap();
    cluster.start_node(2);
    cluster.wait_live();
    let token = cluster.node(2).post(&view(1, "a"));
    assert_eq!(cluster.node(1).get(&format!("/v1/projects/p?after={token}"))["views"], 1);
}

#[test]
fn a_node_with_another_number_of_workers_is_refused() {
    let cluster = without_node_2(Options::default());
    edit(&cluster, "workers = 1", "workers = 2");
    assert_refused(cluster, "its number of workers is 2, and that of node 0 is 1");
}

#[test]
fn a_node_with_another_list_of_nodes_is_refused() {
    let cluster = without_node_2(Options::default());
    edit(&cluster, "id = 1", "id = 3");
    assert_refused(cluster, "its list of nodes is 0, 2, 3, and that of node 0 is 0, 1, 2");
}

#[test]
fn a_node_of_another_cluster_is_refused() {
    let cluster = without_node_2(Options::default());
    edit(&cluster, "cluster = \"", "cluster = \"other-");
    assert_refused(cluster, "not 'other-");
}

#[test]
fn a_node_with_other_rules_is_refused() {
    let mut cluster = without_node_2(Options::default());
    cluster.place.write("rules.toml", "race_seconds = 60");
    let rules = cluster.place.path("rules.toml").display().to_string();
    cluster.options.arguments = format!("--rules {rules}");
    cluster.start_node(2);
    cluster.wait_note(2, "its rules differ from those of node 0");
    // The others name the reason, too, instead of a node that is lost again and again.
    cluster.wait_note(1, "is refused: its rules differ from those of node 0");
}

#[test]
fn a_node_without_certificates_and_a_node_of_a_foreign_ca_are_refused() {
    let options = || Options { has_certificates: true, ..Options::default() };
    let cluster = without_node_2(options());
    fs::remove_file(cluster.place.path("cluster-2/ca.pem")).unwrap();
    assert_refused(cluster, "TLS");

    let cluster = without_node_2(options());
    let foreign = cluster.place.run("cluster init --dir foreign");
    assert_eq!(foreign.code, 0, "{}", foreign.stderr);
    for name in ["ca.pem", "node-2.pem", "node-2-key.pem"] {
        let file = |directory: &str| cluster.place.path(&format!("{directory}/{name}"));
        fs::copy(file("foreign"), file("cluster-2")).unwrap();
    }
    assert_refused(cluster, "it was not issued by the CA of this node");
}

#[test]
fn a_node_with_the_certificate_of_another_does_not_start() {
    let cluster = without_node_2(Options { has_certificates: true, ..Options::default() });
    for name in ["node-#.pem", "node-#-key.pem"] {
        let file = |node: &str| cluster.place.path("cluster-2").join(name.replace('#', node));
        fs::copy(file("1"), file("2")).unwrap();
    }
    let error = startup_error(&cluster.data(2), &cluster.arguments(2));
    assert!(error.contains("does not authenticate node 2"), "{error}");
    assert!(error.contains("it is valid for 'node-1.velodrome'"), "{error}");
}

#[test]
fn a_second_node_with_the_same_number_is_refused_and_the_first_is_not_affected() {
    let cluster = NodeCluster::start(Options::default());
    // On the same address it cannot listen.
    let free = format!("--listen {}", cluster.addresses.http(5));
    let data = cluster.place.path("second");
    let arguments =
        cluster.arguments(1).replace(&format!("--listen {}", cluster.addresses.http(1)), &free);
    let second = ServiceProcess::start_unready(&data, &arguments);
    assert_eq!(second.wait(), 2);
    let log = fs::read_to_string(data.with_extension("stderr")).unwrap();
    assert!(log.contains("cannot listen on the cluster address"), "{log}");

    // On another machine it can.
    let file = fs::read_to_string(cluster.place.path("cluster/cluster.toml")).unwrap();
    let (own, other) = (cluster.addresses.cluster(1), cluster.addresses.cluster(6));
    cluster.place.write("other/cluster.toml", file.replace(&own, &other));
    let files = |name: &str| cluster.place.path(name).display().to_string();
    let arguments = arguments.replace(&files("cluster/"), &files("other/"));
    let second = ServiceProcess::start_unready(&data, &arguments);
    crate::serving::wait_for("the second node is refused", || {
        super::note(&second).is_some_and(|note| {
            note.contains("the cluster has a node 1 already; give each its own --node")
        })
    });
    let token = cluster.node(1).post(&view(1, "a"));
    assert_eq!(cluster.node(2).get(&format!("/v1/projects/p?after={token}"))["views"], 1);
    assert_eq!(super::generation(cluster.node(0)), 1);
    assert_eq!(second.stop(), 0);
}

#[test]
fn invalid_cluster_files_are_refused_by_name() {
    let cluster = NodeCluster::create(Options::default());
    let file = fs::read_to_string(cluster.place.path("cluster/cluster.toml")).unwrap();
    let path = cluster.place.path("bad/cluster.toml").display().to_string();
    let address = cluster.addresses.cluster(1);
    for (from, to, says) in [
        ("id = 1", "id = 0", "two nodes have the id 0"),
        ("id = 0", "id = 5", "no node with id 0"),
        ("id = 2", "id = 1000", "the greatest is 999"),
        ("workers = 1", "workers = 0", "workers must be a whole number from 1 to 256"),
        ("workers = 1", "workers = 257", "workers must be a whole number from 1 to 256"),
        ("workers = 1", "workers = \"many\"", "workers must be a whole number from 1 to 256"),
        ("cluster = ", "colour = ", "colour"),
        (&cluster.addresses.cluster(2), &address, "nodes 1 and 2 have the same address"),
        (
            &address,
            "192.0.2.1:7171",
            "'192.0.2.1:7171' is not loopback, so nodes need certificates",
        ),
        (&address, "nowhere", "cannot find 'nowhere' of node 1"),
    ] {
        assert!(file.contains(from), "{from}");
        cluster.place.write("bad/cluster.toml", file.replace(from, to));
        let error = startup_error(&cluster.data(0), &format!("--cluster {path} --node 0"));
        assert!(error.contains(says), "{from} {to}: {error}");
    }
    for (arguments, says) in [
        (format!("--cluster {path} --node 7"), "has no node 7"),
        (format!("--cluster {path}"), "--node"),
        ("--node 0".to_owned(), "--cluster"),
        (format!("--cluster {path}.none --node 0"), "cannot read the cluster file"),
        (format!("--cluster {path} --node 0 --workers 2"), "--workers"),
    ] {
        cluster.place.write("bad/cluster.toml", &file);
        let error = startup_error(&cluster.data(0), &arguments);
        assert!(error.contains(says), "{arguments}: {error}");
    }
}
