//! Buckets that list out of order, change while they are read, or do not answer.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::response::Response;
use velodrome::store::{Acl, Condition, Object, PutOptions, Store};

use super::fake_s3::{Call, FakeS3, error, listing, page};
use super::servers::S3;
use crate::run::{Exit, Workplace, sample, view};

#[test]
fn a_store_that_lists_out_of_order_gives_the_same_results_as_a_directory() {
    let place = Workplace::new();
    // A ride's second sample replaces the first in the standings, so the order matters for what is late.
    let line = |hour: u64| sample(1_620_240_000_000 + hour * 3_600_000, hour as u32, 1, 1.0);
    let lines: Vec<_> = (0..6).map(line).collect();
    let bytes = lines[0].len();
    for (number, line) in lines.iter().enumerate() {
        place.write(&format!("in/{number}"), line);
    }
    let server = FakeS3::start(move |call, _| match call.is_listing() {
        true if call.parameters["prefix"] != "in/" => page(&[], None),
        true if call.parameters.contains_key("continuation-token") => {
            page(&[("in/0", "0", bytes), ("in/5", "5", bytes), ("in/2", "2", bytes)], None)
        }
        true => {
            let first = [("in/4", "4", bytes), ("in/1", "1", bytes), ("in/3", "3", bytes)];
            page(&[first[0], first[1], first[2], ("in/2", "2", bytes)], Some("more"))
        }
        false => match call.key.strip_prefix("in/") {
            Some(number) => {
                call.object(number, lines[number.parse::<usize>().unwrap()].as_bytes(), true)
            }
            None => error(404, "NoSuchKey", "why"),
        },
    });
    let listed = server.store().walk("in/").unwrap();
    let keys: Vec<_> = listed.iter().map(|object| &object.key[..]).collect();
    assert_eq!(keys, ["in/0", "in/1", "in/2", "in/3", "in/4", "in/5"]);
    for (path, out) in [("in", "by-files"), ("s3://races/in", "by-objects")] {
        let ended =
            place.run_with(&format!("replay {path} --out {out}"), &server.environment(), b"");
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    let [expected, found] =
        ["by-files", "by-objects"].map(|out| place.json(&format!("{out}/summary.json")));
    for count in ["events", "late", "rides"] {
        assert_eq!(found[count], expected[count], "{count}");
    }
    assert_eq!(found["events"], 6);
}

#[test]
fn a_listing_that_may_be_incomplete_is_refused_with_the_name_of_the_store() {
    let truncated = || listing("<IsTruncated>true</IsTruncated>");
    let again = || page(&[("a", "1", 1)], Some("again"));
    let no_size = || listing("<Contents><Key>a</Key></Contents>");
    let no_text = || {
        listing("<EncodingType>url</EncodingType><Contents><Key>%ff</Key><Size>1</Size></Contents>")
    };
    type Respond = fn() -> Response;
    let responses = [
        (truncated as Respond, "more keys follow, but it has no token for them"),
        (again as Respond, "its token leads to the same page again"),
        (no_size as Respond, "the object \"a\" has no size"),
        (no_text as Respond, "the key '%ff' is not UTF-8"),
    ];
    for (respond, reason) in responses {
        let server = FakeS3::start(move |_, _| respond());
        let message = server.store().walk("").unwrap_err().to_string();
        let expected =
            format!("cannot list 's3://races/': the store sent an invalid listing: {reason}");
        assert_eq!(message, expected);
    }
}

#[test]
fn keys_with_any_characters_are_listed_and_read() {
    let server = S3::start();
    server.create("races");
    let keys = ["\u{1}\u{1f}\t", "%41 +&\"<>", "a/../b", "a//b", "a/./b", "ö\u{fffd}"];
    for key in keys {
        server.put("races", &format!("in/{key}"), key.as_bytes().to_vec());
    }
    let store = server.store(None, "races", "in/");
    let mut expected = keys.map(str::to_owned);
    expected.sort();
    let listed = store.walk("").unwrap();
    let found: Vec<_> = listed.iter().map(|object| object.key.clone()).collect();
    assert_eq!(found, expected);
    for object in &listed {
        let mut read = String::new();
        store.read(object, 0).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, object.key);
        assert_eq!(store.find(&object.key).unwrap().as_ref(), Some(object));
    }
    assert_eq!(store.list("a/").unwrap().folders, ["a/../", "a/./", "a//"]);
}

#[test]
fn a_path_names_an_object_a_folder_or_a_prefix() {
    let (server, place) = (S3::start(), Workplace::new());
    server.create("races");
    for (number, key) in [
        "in",
        "in/a",
        "in/b/c",
        "in/.d/e",
        "in/.f",
        "in/processing-failed/g",
        "in-2",
        ".h/i",
        "j/processing-failed/k",
    ]
    .into_iter()
    .enumerate()
    {
        // Each object has its number of views.
        let views = (0..1 << number).map(|view_number| view(1, &format!("{number}-{view_number}")));
        server.put("races", key, views.collect::<Vec<_>>().join("\n").into_bytes());
    }
    let environment: Vec<_> = server.environment().collect();
    let replay = |path: &str| {
        place.run_with(&format!("replay s3://races/{path} --out out"), &environment, b"")
    };
    for (path, objects, hidden) in [
        ("in", &[0, 1, 2][..], Some("2 objects")),
        ("in/", &[1, 2], Some("2 objects")),
        ("in-", &[6], None),
        ("i", &[0, 1, 2, 6], Some("2 objects")),
        ("in/b", &[2], None),
        ("in/.d", &[3], None),
        ("in/.d/e", &[3], None),
        (".h", &[7], None),
        ("j/processing-failed", &[8], None),
    ] {
        let ended = replay(path);
        assert_eq!(ended.code, 0, "{path}: {}", ended.stderr);
        let expected: u64 = objects.iter().map(|number| 1 << number).sum();
        assert_eq!(place.json("out/summary.json")["events"], expected, "{path}");
        match hidden {
            Some(hidden) => {
                let note =
                    format!("velodrome: skipped {hidden} because a part of their name begins");
                assert!(ended.stderr.starts_with(&note), "{path}: {}", ended.stderr);
                assert!(ended.stderr.contains("'s3://races/in/.d/e'"), "{path}: {}", ended.stderr);
            }
            None => assert_eq!(ended.stderr, "", "{path}"),
        }
    }
    for path in ["in-2/", "missing", "j"] {
        let ended = replay(path);
        assert_eq!(ended.code, 2, "{path}: {}", ended.stderr);
        assert!(ended.stderr.contains("has no files"), "{path}: {}", ended.stderr);
    }
}

/// A version of an object of 13 MiB: lines of the same length, with the samples of one racer.
fn version(racer: u32) -> Vec<u8> {
    let line = sample(1_620_240_000_000, racer, 1, 1.5) + "\n";
    line.repeat((13 << 20) / line.len()).into_bytes()
}

/// Replays an object that `change` responds for, after the first `gets` responses were from its first
/// version.
fn replay_changing(
    gets: usize,
    change: impl Fn(&Call) -> Response + Clone + Send + Sync + 'static,
) -> (Workplace, Exit) {
    let (first, place) = (version(1), Workplace::new());
    let has_changed = Arc::new(AtomicUsize::new(0));
    let server = FakeS3::start(move |call, _| {
        if call.is_listing() {
            return page(&[("in/large", "1", first.len())], None);
        }
        if call.key != "in/large" {
            return error(404, "NoSuchKey", "why");
        }
        match has_changed.fetch_add(1, Ordering::SeqCst) < gets {
            true => call.object("1", &first, true),
            false => change(call),
        }
    });
    let replay = "replay s3://races/in --out out -w 2";
    let ended = place.run_with(replay, &server.environment(), b"");
    (place, ended)
}

#[test]
fn an_object_that_is_replaced_or_removed_is_one_damaged_input() {
    // The first GET detects the kind of the object.
    for gets in [0, 1, 2, 3] {
        let second = version(2);
        let replaced = move |is_strict| {
            let second = second.clone();
            move |call: &Call| call.object("2", &second, is_strict)
        };
        let removed = |_: &Call| error(404, "NoSuchKey", "why");
        let ended = [
            (replay_changing(gets, replaced(true)), "the object was replaced after it was listed"),
            // Some stores ignore the condition of a read.
            (replay_changing(gets, replaced(false)), "the object was replaced after it was listed"),
            (replay_changing(gets, removed), "the object does not exist"),
        ];
        for ((place, ended), reason) in ended {
            assert_eq!(ended.code, 1, "{gets}: {}", ended.stderr);
            let summary = place.json("out/summary.json");
            assert_eq!((&summary["damaged"], &summary["rejected"]), (&1.into(), &0.into()));
            let rejected = &place.json_lines("out/rejected.jsonl")[..];
            let [damage] = rejected else { panic!("{gets}: {rejected:?}") };
            assert!(damage["reason"].as_str().unwrap().contains(reason), "{gets}: {damage}");
            let rides = place.json_lines("out/results.jsonl");
            assert!(rides.iter().all(|ride| ride["racerId"] == 1), "{gets}: {rides:?}");
            assert_eq!(rides.len(), usize::from(gets > 1), "{gets}");
        }
    }
}

#[test]
fn a_resumed_range_and_later_ranges_are_from_the_version_that_was_listed() {
    let server = S3::start();
    server.create("races");
    server.put("races", "large", version(1));
    let store = server.store(None, "races", "");
    let object = store.find("large").unwrap().unwrap();
    server.put("races", "large", version(2));
    let read = |object: &Object| {
        let mut read = Vec::new();
        store.read(object, 0).unwrap().read_to_end(&mut read).map(|_| read)
    };
    let message = read(&object).unwrap_err().to_string();
    assert_eq!(message, "the object was replaced after it was listed; run the command again");
    // Without an ETag, the first response decides.
    assert!(read(&Object { etag: None, ..object }).unwrap() == version(2));
}

#[test]
fn a_store_that_does_not_answer_is_reported_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let place = Workplace::new();
    let began = Instant::now();
    let mut child = place.spawn_with(
        "replay s3://races/in/ --out out",
        &[
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("VELODROME_ENDPOINT_URL", &url),
        ],
    );
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let passed = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!((5..9).contains(&passed.as_secs()), "{passed:?}");
    let expected = "velodrome: no response for 5 s to the request to list 's3://races/in/' in the region \
                    'us-east-1'; still trying; check the network and --endpoint-url\n";
    assert_eq!(line, expected);
}

#[test]
fn errors_of_archived_objects_clocks_and_keys_say_what_they_are() {
    for (status, code, message, expected) in [
        (
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            "the object is in an archive storage class such as Glacier (InvalidObjectState: The operation \
             is not valid for the object's storage class); restore it with aws s3api restore-object, or \
             copy it to another class",
        ),
        (
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            "RequestTimeTooSkewed: The difference between the request time and the current time is too \
             large; set this machine's clock, which differs too much from that of AWS",
        ),
        (
            400,
            "KMS.DisabledException",
            "arn:aws:kms:us-east-1:1:key/2 is disabled.",
            "the KMS key of the bucket 'races' or its object cannot be used (KMS.DisabledException: \
             arn:aws:kms:us-east-1:1:key/2 is disabled); enable the key and allow kms:Decrypt",
        ),
        (
            403,
            "AccessDenied",
            "User: x is not authorized to perform: kms:Decrypt on this resource",
            "the KMS key of the bucket 'races' or its object cannot be used (AccessDenied: User: x is not \
             authorized to perform: kms:Decrypt on this resource); enable the key and allow kms:Decrypt",
        ),
    ] {
        let server = FakeS3::start(move |_, _| error(status, code, message));
        let object = Object { key: "a".to_owned(), bytes: 1, etag: None };
        let error = server.store().read(&object, 0).unwrap().read(&mut [0]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn errors_of_acls_and_conditional_writes_say_what_to_do() {
    for (status, code, message, expected) in [
        (
            400,
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
            "the bucket 'races' has its ACLs disabled (AccessControlListNotSupported: The bucket does not allow \
             ACLs); leave out --history-acl, and make objects public by a bucket policy",
        ),
        (
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented.",
            "the store of the bucket 'races' does not support conditional writes (NotImplemented: A header you \
             provided implies functionality that is not implemented); use one that does, such as S3, or a \
             directory",
        ),
    ] {
        let server = FakeS3::start(move |_, _| error(status, code, message));
        let options = PutOptions {
            content_type: "text/plain",
            condition: Condition::Absent,
            acl: Some(Acl::PublicRead),
        };
        let put = server.store().put("a", options, &mut |out| out.write_all(b"a"));
        assert_eq!(
            put.unwrap_err().to_string(),
            format!("cannot write 's3://races/a': {expected}")
        );
    }
}
