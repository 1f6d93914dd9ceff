//! Keys, tokens and TLS, with the commands of operators and the requests of clients.

use std::fs;
use std::process::Command;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

use crate::run::{Workplace, sample, view};
use crate::serving::{ServiceProcess, agent, get, now_ms, startup_error, wait_for};

/// Runs a command that prints one line. Returns the line.
fn line(place: &Workplace, arguments: &str) -> String {
    let ended = place.run(arguments);
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1), "{}", ended.stderr);
    ended.stdout.trim_end().to_owned()
}

/// A token of the key file `key`, valid for five minutes.
fn token(place: &Workplace, key: &str, more: &str) -> String {
    line(place, &format!("token --key-file {key} --ttl 5m {more}"))
}

/// A service that requires tokens of the key file `keys`.
fn start(place: &Workplace, keys: &str) -> ServiceProcess {
    let arguments = format!("--auth on --key-file {}", place.path(keys).display());
    ServiceProcess::start(&place.path("data"), &arguments)
}

/// The status of a read, or of a post if `line` is given.
fn status(serving: &ServiceProcess, token: &str, path: &str, line: Option<&str>) -> u16 {
    let (url, bearer) = (format!("{}{path}", serving.url), format!("Bearer {token}"));
    let answer = match line {
        Some(line) => {
            let request = agent().post(url).header("authorization", bearer);
            request.header("content-type", "application/json").send(line)
        }
        None => agent().get(url).header("authorization", bearer).call(),
    };
    answer.unwrap().status().as_u16()
}

#[test]
fn tokens_permit_what_they_were_issued_for() {
    let place = Workplace::new();
    let id = line(&place, "key key.pem");
    assert_eq!(id.len(), 12, "{id}");
    let [ingest, read] =
        ["ingest", "read"].map(|s| token(&place, "key.pem", &format!("--scope {s}")));
    let both = token(&place, "key.pem", "--scope ingest,read");
    let admin = token(&place, "key.pem", "--scope admin --subject operator");
    let of_class = token(&place, "key.pem", "--scope read --classes 1,2");
    let of_project = token(&place, "key.pem", "--scope read --projects p");
    let other = line(&place, "key other.pem");
    assert_ne!(id, other);
    let unknown_key = token(&place, "other.pem", "--scope admin");

    let serving = start(&place, "key.pem");
    let (race, view) = (sample(1, 5, 1, 1.0), view(1, "u"));
    let request = agent().post(format!("{}/v1/events", serving.url));
    let request = request.header("authorization", format!("Bearer {admin}"));
    let mut posted = request.header("content-type", "application/json").send(&view).unwrap();
    let posted: Value = posted.body_mut().read_json().unwrap();
    let project = format!("/v1/projects/p?after={}", posted["token"].as_str().unwrap());
    let statuses = |token: &str| {
        let post = [&race, &view].map(|line| status(&serving, token, "/v1/events", Some(line)));
        let paths = ["/v1/classes/1/leaderboard", &project, "/v1/classes", "/readyz"];
        let read = paths.map(|path| status(&serving, token, path, None));
        [&post[..], &read].concat()
    };
    assert_eq!(statuses(&ingest), [200, 200, 403, 403, 403, 200]);
    assert_eq!(statuses(&read), [403, 403, 200, 200, 200, 200]);
    assert_eq!(statuses(&both), [200; 6]);
    assert_eq!(statuses(&admin), [200; 6]);
    assert_eq!(statuses(&of_class), [403, 403, 200, 403, 403, 200]);
    assert_eq!(statuses(&of_project), [403, 403, 403, 200, 403, 200]);
    for token in [&unknown_key[..], "", "sesame"] {
        assert_eq!(statuses(token), [401, 401, 401, 401, 401, 200]);
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_limited_token_changes_no_names_and_views_of_other_objects() {
    let place = Workplace::new();
    line(&place, "key key.pem");
    let of_class = token(&place, "key.pem", "--scope ingest --classes 1");
    let of_project = token(&place, "key.pem", "--scope ingest --projects q");
    let admin = token(&place, "key.pem", "--scope admin");
    let serving = start(&place, "key.pem");
    let last = |class: u16, name: &str, device_ms: u64| {
        format!(
            r#"{{"event":"final","raceId":7,"classId":{class},"racerId":5,"second":300,"cadence":1,"resistance":1,"name":"{name}","deviceTimestamp":{device_ms}}}"#
        )
    };
    let post = |token: &str, line: &str| {
        let request = agent().post(format!("{}/v1/events", serving.url));
        let request = request.header("authorization", format!("Bearer {token}"));
        let mut posted = request.header("content-type", "application/json").send(line).unwrap();
        let posted: Value = posted.body_mut().read_json().unwrap();
        assert_eq!(posted["accepted"], 1, "{posted}");
        posted["token"].as_str().unwrap().to_owned()
    };
    let now = now_ms();
    post(&admin, &last(2, "Ada", now));
    post(&of_class, &last(1, "Mallory", (1 << 53) - 1));
    post(&of_project, &view(now, "u").replace(r#""p""#, r#""q""#));
    // Mallory's device is far ahead, so its name has the time of its arrival.
    post(&admin, &last(1, "Ben", now + 60_000));
    let after = post(&admin, &view(now, "u"));
    let read = |path: &str| -> Value {
        let request = agent().get(format!("{}{path}?after={after}", serving.url));
        let request = request.header("authorization", format!("Bearer {admin}"));
        request.call().unwrap().body_mut().read_json().unwrap()
    };
    assert_eq!(read("/v1/classes/2/leaderboard")["rows"][0]["name"], "Ada");
    assert_eq!(read("/v1/classes/1/leaderboard")["rows"][0]["name"], "Ben");
    assert_eq!(read("/v1/projects/p")["views"], 1);
    assert_eq!(read("/v1/projects/q")["views"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn keys_are_replaced_without_a_restart() {
    let place = Workplace::new();
    line(&place, "key keys.pem");
    line(&place, "key new.pem");
    let [old, new] = ["keys.pem", "new.pem"].map(|key| token(&place, key, "--scope read"));
    let [mut both, new_key] = ["keys.pem", "new.pem"].map(|key| fs::read(place.path(key)).unwrap());
    both.extend_from_slice(&new_key);

    let serving = start(&place, "keys.pem");
    let statuses = || [&old, &new].map(|token| status(&serving, token, "/v1/classes", None));
    let notes = || get(&format!("{}/readyz", serving.url)).1["notes"].to_string();
    let hang_up = || {
        let sent = Command::new("kill").args(["-HUP", &serving.id().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    assert_eq!(statuses(), [200, 401]);
    fs::write(place.path("keys.pem"), both).unwrap();
    wait_for("the new key is read", || statuses() == [200, 200]);
    // A file that cannot be used changes nothing, and heals.
    hang_up();
    fs::write(place.path("keys.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    wait_for("a note", || notes().contains("keys: the previous ones stay in use: '"));
    assert_eq!(statuses(), [200, 200]);
    fs::write(place.path("keys.pem"), &new_key).unwrap();
    wait_for("the old key is removed", || statuses() == [401, 200]);
    wait_for("no note", || !notes().contains("keys: "));
    hang_up();
    wait_for("the keys are read again", || serving.log().matches("read again").count() >= 3);
    assert_eq!(statuses(), [401, 200]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn keys_can_come_from_the_environment_and_openssl_reads_them() {
    let place = Workplace::new();
    line(&place, "key key.pem");
    let key = fs::read_to_string(place.path("key.pem")).unwrap();
    let arguments = "token --scope admin --ttl 1h";
    let ended = place.run_with(arguments, &[("VELODROME_KEYS", &key)], b"");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut openssl = Command::new("openssl");
    openssl.args(["pkey", "-pubout", "-in"]).arg(place.path("key.pem"));
    let Ok(public) = openssl.output() else {
        assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
        return;
    };
    assert!(public.status.success(), "{}", String::from_utf8_lossy(&public.stderr));
    // The public key is sufficient to verify.
    place.write("public.pem", public.stdout);
    let serving = start(&place, "public.pem");
    assert_eq!(status(&serving, ended.stdout.trim(), "/v1/classes", None), 200);
    assert_eq!(serving.stop(), 0);
    let refused = place.run("token --key-file public.pem --scope read --ttl 1h");
    assert!(
        refused.code == 2 && refused.stderr.contains("all keys are public"),
        "{}",
        refused.stderr
    );
}

#[test]
fn refuses_unsafe_settings_and_states_the_remedy() {
    let place = Workplace::new();
    line(&place, "key key.pem");
    place.write("open.pem", fs::read(place.path("key.pem")).unwrap());
    place.write("none.pem", "no key");
    let file = |name: &str| format!("--auth on --key-file {}", place.path(name).display());
    for (arguments, says) in [
        ("--auth on", "velodrome key FILE"),
        ("--auth on", "--auth off on a loopback address"),
        ("--auth off --listen 0.0.0.0:0", "'0.0.0.0:0'"),
        ("--auth off --listen [::]:0", "loopback"),
        (&file("missing.pem"), "cannot read the keys"),
        (&file("none.pem"), "contains no key"),
        (&file("open.pem"), "chmod 600"),
    ] {
        let error = startup_error(&place.path("data"), arguments);
        assert!(error.contains(says), "{arguments}: {error}");
    }
    let arguments = format!("{} --listen 0.0.0.0:0", file("key.pem"));
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    assert_eq!(serving.log().matches("not encrypted").count(), 1, "{}", serving.log());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn rejects_invalid_claims_of_new_tokens() {
    let place = Workplace::new();
    line(&place, "key key.pem");
    for (arguments, says) in [
        ("--ttl 1h", "--scope"),
        ("--scope read", "--ttl"),
        ("--scope write --ttl 1h", "'write'"),
        ("--scope read --ttl 367d", "1s to 366d"),
        ("--scope read --ttl 0s", "1s to 366d"),
        ("--scope read --ttl soon", "'soon'"),
        ("--scope read --ttl 1h --classes 0", "'0'"),
        ("--scope read --ttl 1h --classes all", "'all'"),
    ] {
        let ended = place.run(&format!("token --key-file key.pem {arguments}"));
        assert!(ended.code == 2 && ended.stderr.contains(says), "{arguments}: {}", ended.stderr);
    }
    let without = place.run("token --scope read --ttl 1h");
    assert!(without.stderr.contains("give it as --key-file"), "{}", without.stderr);
    let again = place.run("key key.pem");
    assert!(again.code == 2 && again.stderr.contains("choose a new file"), "{}", again.stderr);
}

#[test]
fn a_service_with_tls_prints_its_address() {
    let place = Workplace::new();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    place.write("cert.pem", cert.pem());
    place.write("tls.pem", signing_key.serialize_pem());
    let [cert, key] = ["cert.pem", "tls.pem"].map(|name| place.path(name).display().to_string());
    let arguments = format!("--tls-cert {cert} --tls-key {key}");
    let serving = ServiceProcess::start_unready(&place.path("data"), &arguments);
    assert!(serving.url.starts_with("https://127.0.0.1:"), "{}", serving.url);
    let ready = format!("{}/readyz", serving.url);
    wait_for("the service is ready", || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--cacert", &cert]);
        curl.arg(&ready).output().unwrap().stdout.starts_with(b"{\"ready\":true")
    });
    assert_eq!(serving.stop(), 0);
}
