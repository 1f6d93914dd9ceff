//! The files of the page: they need no token, and their headers isolate them from other sites.

use std::io::Read;

use flate2::read::GzDecoder;

use super::tokens::with_tokens;
use super::*;

#[test]
fn serves_the_page_without_a_token_at_each_path_even_during_startup() {
    for service in [Service::starting(with_tokens()), Service::start(without_tokens())] {
        for path in ["/", "/results?race=1", "/racer?id=5&x=%ff", "/views", "/operations"] {
            let page = service.get(path);
            assert_eq!(
                (page.status, page.header("content-type")),
                (200, "text/html; charset=utf-8")
            );
            assert!(page.text.to_ascii_lowercase().starts_with("<!doctype html>"), "{path}");
            assert_eq!(page.text, service.get("/ui/index.html?v=1").text, "{path}");
        }
        // Requests from other sites succeed too; the page contains no data.
        let headers = [("origin", "https://evil.example"), ("host", "evil.example")];
        assert_eq!(service.request("GET", "/", &headers, b"").status, 200);
    }
}

#[test]
fn files_have_their_content_type_and_are_revalidated() {
    let service = Service::start(with_tokens());
    for (name, kind) in [
        ("index.html", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("main.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml; charset=utf-8"),
    ] {
        let path = format!("/ui/{name}");
        let file = service.get(&path);
        assert_eq!((file.status, file.header("content-type")), (200, kind), "{name}");
        let known = [("if-none-match", file.header("etag"))];
        let same = service.request("GET", &path, &known, b"");
        assert_eq!(
            (same.status, &*same.text, same.header("content-type")),
            (304, "", ""),
            "{name}"
        );
        let other = service.request("GET", &path, &[("if-none-match", "\"x\"")], b"");
        assert_eq!((other.status, &other.text), (200, &file.text), "{name}");
        let head = service.request("HEAD", &path, &[], b"");
        assert_eq!((head.status, &*head.text), (200, ""), "{name}");
        assert_eq!(head.header("content-length"), file.text.len().to_string(), "{name}");
        for answer in [&file, &same, &head] {
            assert_eq!(answer.header("etag"), file.header("etag"), "{name}");
            for (header, value) in [
                ("cache-control", "no-cache"),
                ("vary", "accept-encoding"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("x-content-type-options", "nosniff"),
                (
                    "content-security-policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                     require-trusted-types-for 'script'",
                ),
            ] {
                assert_eq!(answer.header(header), value, "{name} {header}");
            }
        }
    }
}

#[test]
fn compresses_files_for_clients_that_accept_gzip() {
    let service = Service::start(without_tokens());
    let plain = service.get("/ui/index.html");
    assert_eq!(plain.header("content-encoding"), "");
    let head = "GET /ui/index.html HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                accept-encoding: gzip, br\r\n\r\n";
    let mut stream = service.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-encoding: gzip"), "{head}");
    assert!(head.contains("\r\nvary: accept-encoding"), "{head}");
    let mut text = String::new();
    GzDecoder::new(&answer[end + 4..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text);
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    assert_ne!(etag, plain.header("etag"), "other bytes have another tag");
    let headers = [("if-none-match", etag), ("accept-encoding", "gzip")];
    assert_eq!(service.request("GET", "/ui/index.html", &headers, b"").status, 304);
}

#[test]
fn returns_404_for_unknown_files_and_405_for_other_methods() {
    let service = Service::start(with_tokens());
    for path in ["/ui", "/ui/", "/ui/mod.rs", "/ui/../mod.rs", "/ui/%2e%2e/mod.rs", "/ui/none.js"] {
        assert_eq!(service.get(path).error(), is_error(404, "not_found"), "{path}");
    }
    for path in ["/", "/ui/index.html"] {
        let answer = service.request("POST", path, &[], b"");
        assert_eq!(answer.error(), is_error(405, "method_not_allowed"), "{path}");
        assert_eq!(answer.header("allow"), "GET,HEAD");
    }
}
