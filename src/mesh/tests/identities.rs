//! Files that cannot authenticate a node are refused with the file and the remedy.

use std::fs;
use std::path::Path;

use super::certificates::Ca;
use crate::mesh::Identity;

fn refusal(node: usize, cert: &Path, key: &Path, ca: &Path) -> String {
    Identity::load(node, cert, key, ca).unwrap_err().to_string()
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let ca = Ca::new();
    let [cert, key] = ca.issue(1);
    let missing = ca.directory().join("missing");
    for [cert, key, ca] in
        [[&missing, &key, &ca.file()], [&cert, &missing, &ca.file()], [&cert, &key, &missing]]
    {
        assert_contains(
            &refusal(1, cert, key, ca),
            &["missing'", "No such file", "give a PEM file"],
        );
    }
}

#[test]
fn a_file_without_the_item_is_named() {
    let ca = Ca::new();
    let [cert, key] = ca.issue(1);
    let empty = ca.directory().join("empty");
    fs::write(&empty, "").unwrap();
    assert_contains(&refusal(1, &empty, &key, &ca.file()), &["empty'", "contains none"]);
    assert_contains(&refusal(1, &cert, &cert, &ca.file()), &["1.pem'", "private key"]);
    assert_contains(&refusal(1, &cert, &key, &key), &["1.key'", "certificate of the CA"]);
}

#[test]
fn a_certificate_that_other_nodes_would_refuse_is_refused_at_the_start() {
    let ca = Ca::new();
    let [cert, key] = ca.issue(1);
    let of_other = refusal(2, &cert, &key, &ca.file());
    assert_contains(&of_other, &["valid for 'node-1.velodrome', not for 'node-2.velodrome'"]);
    let foreign = refusal(1, &cert, &key, &Ca::new().file());
    assert_contains(&foreign, &["1.pem'", "not issued by the CA"]);
    let [expired, expired_key] = ca.issue_expired(1);
    let expired = refusal(1, &expired, &expired_key, &ca.file());
    assert_contains(&expired, &["expired.pem'", "issue a new one"]);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ca = Ca::new();
    let [[cert, _], [_, key]] = [ca.issue(1), ca.issue(2)];
    assert_contains(&refusal(1, &cert, &key, &ca.file()), &["2.key'", "another certificate"]);
}
