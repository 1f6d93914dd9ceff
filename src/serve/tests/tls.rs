//! Serving with TLS.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;
use crate::serve::tls::{Certificate, TlsError};

/// Writes a certificate of localhost to `cert.pem`, and its key to `key.pem`.
fn write_certificate(dir: &Path) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), signing_key.serialize_pem()).unwrap();
}

fn certificate(dir: &TempDir) -> Certificate {
    Certificate::load(&dir.path().join("cert.pem"), &dir.path().join("key.pem")).unwrap()
}

/// A service with TLS, and the directory of its certificate.
fn serve(limits: Limits) -> (Service, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    write_certificate(dir.path());
    let tls = certificate(&dir).config();
    let service = Service::starting_with(Some(tls), Config { limits, ..without_tokens() });
    service.finish_start();
    (service, dir)
}

/// Body and status of a request by curl, or its exit status. It trusts only the certificate in `dir`.
fn curl(service: &Service, dir: &TempDir, path: &str, arguments: &[&str]) -> Result<String, i32> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--write-out", "%{http_code}"]);
    curl.arg("--cacert").arg(dir.path().join("cert.pem")).args(arguments);
    let url = format!("https://{}{path}", service.address);
    let output = curl.arg(url).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(text).ok_or(output.status.code().unwrap_or_default())
}

#[test]
fn serves_both_versions_of_tls() {
    let (mut service, dir) = serve(limits());
    for arguments in [
        &["--tlsv1.3"][..],
        &["--tlsv1.2", "--tls-max", "1.2"],
        &["--data-binary", "[]", "--header", "content-type: application/json"],
    ] {
        let path = if arguments.len() == 4 { "/v1/events" } else { "/healthz" };
        let answer = curl(&service, &dir, path, arguments).unwrap();
        assert!(answer.ends_with("}200"), "{arguments:?}: {answer}");
    }
    // 35: the handshake failed, 60: the certificate is not trusted.
    assert_eq!(curl(&service, &dir, "/healthz", &["--tls-max", "1.1"]), Err(35));
    let other = tempfile::tempdir().unwrap();
    write_certificate(other.path());
    assert_eq!(curl(&service, &other, "/healthz", &[]), Err(60));
    service.stop();
}

#[test]
fn a_certificate_is_replaced_while_connections_use_it() {
    let dir = tempfile::tempdir().unwrap();
    write_certificate(dir.path());
    let used = certificate(&dir);
    let service = Service::starting_with(
        Some(used.config()),
        Config { limits: limits(), ..without_tokens() },
    );
    service.finish_start();
    let healthz = |dir: &TempDir| curl(&service, dir, "/healthz", &[]);
    assert!(healthz(&dir).unwrap().ends_with("200"));
    let previous = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("cert.pem"), previous.path().join("cert.pem")).unwrap();
    // The key of another certificate: the old pair stays in use.
    let other = tempfile::tempdir().unwrap();
    write_certificate(other.path());
    fs::copy(other.path().join("key.pem"), dir.path().join("key.pem")).unwrap();
    assert!(matches!(used.reload(), Err(TlsError::Unusable { .. })));
    assert!(healthz(&previous).unwrap().ends_with("200"));
    fs::copy(other.path().join("cert.pem"), dir.path().join("cert.pem")).unwrap();
    used.reload().unwrap();
    assert!(healthz(&dir).unwrap().ends_with("200"));
    assert_eq!(healthz(&previous), Err(60));
}

#[test]
fn serves_http_2_and_its_connections_can_be_used_again() {
    let limits = Limits { client_requests_in_flight: 0, ..limits() };
    let (mut service, dir) = serve(limits);
    let body = dir.path().join("body");
    fs::write(&body, vec![b' '; 8_000_000]).unwrap();
    let body = format!("@{}", body.display());
    let shown = ["--write-out", "%{http_code} %{http_version} %{num_connects}\n"];
    let url = format!("https://{}/v1/events", service.address);
    let json = ["--header", "content-type: application/json"];
    let same_ca = ["--cacert", dir.path().join("cert.pem").to_str().unwrap()].map(str::to_owned);
    let arguments = [
        &["--http2", "--output", "/dev/null", "--data-binary", &body][..],
        &json,
        &shown,
        &[&url, "--next", "--http2", "--silent", "--output", "/dev/null", &same_ca[0], &same_ca[1]],
        &shown,
    ];
    let answers = curl(&service, &dir, "/healthz", &arguments.concat()).unwrap();
    let answers: Vec<_> = answers.lines().collect();
    assert_eq!(answers, ["429 2 1", "200 2 0"], "{answers:?}");
    service.stop();
}

#[test]
fn a_service_with_tls_does_not_answer_plain_http() {
    let (service, dir) = serve(limits());
    let answer = service.exchange(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    assert!(curl(&service, &dir, "/healthz", &[]).unwrap().ends_with("200"));
}

#[test]
fn closes_a_connection_whose_handshake_does_not_end_in_time() {
    let (service, dir) = serve(Limits { head_timeout: SHORT, ..limits() });
    // Nothing, and the first bytes of the record of a ClientHello.
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        assert!(!service.exchange(sent).contains("HTTP"));
    }
    assert!(curl(&service, &dir, "/healthz", &[]).unwrap().ends_with("200"));
}

#[test]
fn shutdown_does_not_wait_for_handshakes() {
    let limits = limits();
    let (mut service, _dir) = serve(limits);
    let mut idle = service.connect();
    idle.write_all(b"\x16\x03\x01").unwrap();
    let mut second = service.connect();
    second.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // The second connection is closed, so the first one was accepted before it.
    read_to_end(&mut second);
    let began = Instant::now();
    service.stop();
    assert_eq!(read_to_end(&mut idle), "");
    assert!(began.elapsed() < limits.shutdown_timeout / 2, "shutdown waited for the handshake");
}

#[test]
fn errors_name_the_certificate_or_key_that_cannot_be_used() {
    let [dir, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    write_certificate(dir.path());
    write_certificate(other.path());
    let path = |dir: &TempDir, name| dir.path().join(name);
    let (cert, key) = (path(&dir, "cert.pem"), path(&dir, "key.pem"));
    let missing = Certificate::load(&path(&dir, "missing.pem"), &key).unwrap_err();
    assert!(matches!(missing, TlsError::Unreadable { what: "certificate", .. }), "{missing}");
    let swapped = Certificate::load(&cert, &cert).unwrap_err();
    assert!(matches!(swapped, TlsError::Unreadable { what: "private key", .. }), "{swapped}");
    let foreign = Certificate::load(&cert, &path(&other, "key.pem")).unwrap_err();
    assert!(matches!(foreign, TlsError::Unusable { .. }), "{foreign}");
    fs::write(&key, fs::read_to_string(&key).unwrap().replace('\n', " ")).unwrap();
    let text = fs::read_to_string(&key).unwrap();
    let damaged = Certificate::load(&cert, &key).unwrap_err().to_string();
    assert!(damaged.contains("key.pem") && !damaged.contains(&text[40..60]), "{damaged}");
}
