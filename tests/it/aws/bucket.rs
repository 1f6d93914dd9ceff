//! A bucket behaves like a directory behind the store interface, even when connections fail.

use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread;

use velodrome::store::{Acl, Condition, Directory, Object, PutOptions, Store, WriteOutcome};

use super::canned_server::serve_response;
use super::cutting_proxy::CuttingProxy;
use super::servers::S3;

const OPTIONS: PutOptions =
    PutOptions { content_type: "text/plain", condition: Condition::Always, acl: None };

fn put(store: &dyn Store, key: &str, text: &str, condition: Condition) -> WriteOutcome {
    let options = PutOptions { condition, ..OPTIONS };
    store.put(key, options, &mut |out| out.write_all(text.as_bytes())).unwrap()
}

fn read(store: &dyn Store, key: &str, bytes: u64, from: u64) -> std::io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let object = Object { key: key.to_owned(), bytes, etag: None };
    store.read(&object, from).map_err(|error| error.reason)?.read_to_end(&mut read)?;
    Ok(read)
}

fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    store.walk(prefix).unwrap().into_iter().map(|object| object.key).collect()
}

#[test]
fn a_bucket_behaves_like_a_directory() {
    let (server, root) = (S3::start(), tempfile::tempdir().unwrap());
    server.create("races");
    server.put("races", "other", b"outside of the prefix".to_vec());
    // Consoles put such an object to show a folder.
    server.put("races", "a/b/b/", Vec::new());
    let stores: [&dyn Store; 2] =
        [&server.store(None, "races", "a/b/"), &Directory::new(root.path().to_owned())];
    for store in stores {
        store.check().unwrap();
        assert_eq!(keys(store, ""), [""; 0], "{store:?}");
        for key in ["b/c/2", "b.x", "b/c/10", "a", "b/0", "c/d", "ö &+ö"] {
            assert_eq!(put(store, key, key, Condition::Absent), WriteOutcome::Done);
        }
        assert_eq!(keys(store, ""), ["a", "b.x", "b/0", "b/c/10", "b/c/2", "c/d", "ö &+ö"]);
        assert_eq!(keys(store, "b"), ["b.x", "b/0", "b/c/10", "b/c/2"]);
        assert_eq!(keys(store, "b/c/1"), ["b/c/10"]);
        let listing = store.list("b/").unwrap();
        assert_eq!(listing.folders, ["b/c/"]);
        let [object] = &listing.objects[..] else { panic!("{listing:?}") };
        assert_eq!((&object.key[..], object.bytes), ("b/0", 3));
        assert_eq!(store.find("b/0").unwrap().as_ref(), Some(object));
        assert_eq!(store.find("b").unwrap(), None);
        assert_eq!(store.list("nothing/").unwrap(), Default::default());

        assert_eq!(read(store, "ö &+ö", 7, 0).unwrap(), "ö &+ö".as_bytes());
        assert_eq!(read(store, "b/c/10", 6, 2).unwrap(), b"c/10");
        assert_eq!(read(store, "b/c/10", 6, 6).unwrap(), b"");
        let missing = read(store, "missing", 1, 0).unwrap_err();
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound, "{missing}");

        for (text, expected) in [
            ("b.x", WriteOutcome::Done),
            ("b", WriteOutcome::PreconditionFailed),
            ("b.xx", WriteOutcome::PreconditionFailed),
            ("b.y", WriteOutcome::PreconditionFailed),
        ] {
            assert_eq!(put(store, "b.x", text, Condition::Absent), expected, "{text}");
        }
        assert_eq!(read(store, "b.x", 3, 0).unwrap(), b"b.x");
        for (version, expected, stays) in [
            (20, WriteOutcome::Done, 20),
            (19, WriteOutcome::PreconditionFailed, 20),
            (20, WriteOutcome::Done, 20),
            (21, WriteOutcome::Done, 21),
        ] {
            let condition = Condition::NotNewerThan(version);
            assert_eq!(put(store, "v", &version.to_string(), condition), expected, "{version}");
            assert_eq!(read(store, "v", 2, 0).unwrap(), stays.to_string().as_bytes());
        }
        assert_eq!(put(store, "a", "next", Condition::Always), WriteOutcome::Done);
        assert_eq!(read(store, "a", 4, 0).unwrap(), b"next");
        for (version, expected) in [
            (20, WriteOutcome::PreconditionFailed),
            (21, WriteOutcome::Done),
            (1, WriteOutcome::Done),
        ] {
            let removed = store.remove("v", version).unwrap();
            assert_eq!(removed, expected, "{version}");
            assert_eq!(keys(store, "v").is_empty(), expected == WriteOutcome::Done, "{version}");
        }
        for _ in 0..2 {
            assert_eq!(store.remove("a", u64::MAX).unwrap(), WriteOutcome::Done);
        }
        assert!(!keys(store, "").contains(&"a".to_owned()));
    }
}

#[test]
fn objects_without_a_version_are_replaced_and_options_are_stored() {
    let server = S3::start();
    server.create("races");
    server.put("races", "a", b"without a version".to_vec());
    let store = server.store(None, "races", "");
    let options = PutOptions {
        content_type: "application/gzip",
        condition: Condition::NotNewerThan(7),
        acl: Some(Acl::PublicRead),
    };
    assert_eq!(
        store.put("a", options, &mut |out| out.write_all(b"new")).unwrap(),
        WriteOutcome::Done
    );
    assert_eq!(server.get("races", "a"), b"new");
    assert_eq!(
        server.metadata("races", "a"),
        ("application/gzip".to_owned(), Some("7".to_owned()))
    );
    assert!(server.is_public("races", "a"));
    put(&store, "b", "b", Condition::Always);
    assert!(!server.is_public("races", "b"));
}

#[test]
fn the_newest_version_wins_every_race() {
    let server = S3::start();
    server.create("races");
    let store = server.store(None, "races", "");
    for round in 0..8 {
        let key = round.to_string();
        // Every writer starts from this existing object.
        put(&store, &key, "0", Condition::NotNewerThan(0));
        thread::scope(|scope| {
            for version in [3_u64, 1, 4, 2] {
                let (store, key) = (&store, &key);
                let condition = Condition::NotNewerThan(version);
                scope.spawn(move || put(store, key, &version.to_string(), condition));
            }
        });
        assert_eq!(server.get("races", &key), b"4", "round {round}");
    }
}

#[test]
fn lists_more_keys_than_a_page_has() {
    let server = S3::start();
    server.create("races");
    let expected: Vec<_> = (0..1_050).map(|number| format!("k/{number:04}")).collect();
    thread::scope(|scope| {
        for keys in expected.chunks(300) {
            let server = &server;
            scope.spawn(move || keys.iter().for_each(|key| server.put("races", key, vec![])));
        }
    });
    let store = server.store(None, "races", "");
    assert_eq!(keys(&store, ""), expected);
    assert_eq!(store.list("k/").unwrap().objects.len(), expected.len());
}

/// Puts an object of 13 MiB without repeated content. Returns its bytes.
fn large(server: &S3) -> Vec<u8> {
    let bytes: Vec<_> = (0..(13 << 20) / 4_u32).flat_map(|number| number.to_le_bytes()).collect();
    server.create("races");
    server.put("races", "large", bytes.clone());
    bytes
}

#[test]
fn a_large_object_is_read_completely_although_connections_break() {
    let server = S3::start();
    let bytes = large(&server);
    let length = bytes.len() as u64;
    for from in [0, 1, (4 << 20) + 70_000, length - 1] {
        // Breaks connections in the first ranges, in ranges that are read ahead, and in resumed ranges.
        let proxy = CuttingProxy::new(server.address(), 6, 1_500_000);
        let store = server.store(Some(&proxy.url), "races", "");
        assert!(read(&store, "large", length, from).unwrap() == bytes[from as usize..], "{from}");
        assert_eq!(proxy.left.load(Ordering::SeqCst) == 0, from < length - 1, "{from}");
    }
    let proxy = CuttingProxy::new(server.address(), usize::MAX, 1_000);
    let store = server.store(Some(&proxy.url), "races", "");
    let error = read(&store, "large", length, 0).unwrap_err().to_string();
    assert!(error.contains("broke off 8 times"), "{error}");
}

#[test]
fn never_mixes_versions_of_an_object_that_is_replaced_during_a_read() {
    let server = S3::start();
    let bytes = large(&server);
    let store = server.store(None, "races", "");
    let object = Object { key: "large".to_owned(), bytes: bytes.len() as u64, etag: None };
    let mut reader = store.read(&object, 0).unwrap();
    reader.read_exact(&mut [0]).unwrap();
    server.put("races", "large", vec![7; bytes.len()]);
    let mut rest = Vec::new();
    let error = reader.read_to_end(&mut rest).unwrap_err().to_string();
    assert!(error.contains("replaced after it was listed"), "{error}");
    assert!(rest == bytes[1..=rest.len()]);
}

#[test]
fn errors_name_the_bucket_the_region_and_the_remedy() {
    let server = S3::start();
    let error = |url: Option<&str>| {
        let error = server.store(url, "races", "a/").check().unwrap_err().to_string();
        assert!(
            error.starts_with("cannot list 's3://races/a/': ") && !error.contains('\n'),
            "{error}"
        );
        error
    };
    let missing = error(None);
    assert!(missing.contains("there is no bucket 'races' in the region 'us-east-1'"), "{missing}");
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let denied = error(Some(&serve_response("403 Forbidden", "", denied)));
    assert!(denied.contains("no permission in the bucket 'races'"), "{denied}");
    assert!(denied.contains("AccessDenied: Access Denied") && denied.contains("s3:ListBucket"));
    let region = "<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message></Error>";
    let header = "x-amz-bucket-region: eu-west-1\r\n";
    let region = error(Some(&serve_response("301 Moved Permanently", header, region)));
    assert!(region.contains("set AWS_REGION=eu-west-1"), "{region}");
    let unreachable = error(Some("http://127.0.0.1:1"));
    assert!(
        unreachable.contains("no connection") && unreachable.contains("'us-east-1'"),
        "{unreachable}"
    );
}
