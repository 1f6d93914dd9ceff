//! The service behind nginx, as Debian packages it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use crate::run::Workplace;
use crate::serving::{ServiceProcess, wait_for};

/// An nginx that forwards all requests to a service, and listens on a socket in a directory.
struct Nginx {
    child: Child,
    socket: PathBuf,
}

impl Nginx {
    /// Starts it in `dir`. It forwards bodies once it has them completely if `is_buffering`, as it does by
    /// default.
    fn start(dir: &Path, service: &str, is_buffering: bool) -> Self {
        fs::create_dir_all(dir).unwrap();
        let (root, socket) = (dir.display(), dir.join("http"));
        let buffering = if is_buffering { "on" } else { "off" };
        // The other modules of the package want directories too.
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|name| format!("{name}_temp_path {root}/{name};")).join(" ");
        let listen = socket.display();
        let configuration = format!(
            "daemon off; pid {root}/pid; error_log {root}/error.log; worker_processes 1;
             events {{ worker_connections 64; }}
             http {{ access_log off; {paths} client_max_body_size 0;
               upstream service {{ server {}; keepalive 4; }}
               server {{ listen unix:{listen};
                 location / {{ proxy_pass http://service; proxy_http_version 1.1;
                   proxy_set_header Connection \"\"; proxy_set_header Host localhost;
                   proxy_set_header X-Forwarded-For 192.0.2.7;
                   proxy_request_buffering {buffering}; }} }} }}",
            service.strip_prefix("http://").unwrap(),
        );
        let path = dir.join("nginx.conf");
        // Workers of root have another user, who cannot write to the directory.
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let user = if is_root { "user root;" } else { "" };
        fs::write(&path, format!("{user} {configuration}")).unwrap();
        let program =
            ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|p| Path::new(p).exists());
        let program = program.expect("nginx is missing; scripts/test installs it");
        let child = Command::new(program).arg("-p").arg(dir).arg("-c").arg(&path).spawn().unwrap();
        wait_for("nginx listens", || UnixStream::connect(&socket).is_ok());
        Self { child, socket }
    }

    /// The status of a request on a new connection.
    fn status(&self, head: &str, body: &[u8]) -> u16 {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        let head = format!(
            "{head}host: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        // nginx may answer before it has the complete body.
        _ = stream.write_all(&[head.as_bytes(), body].concat());
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM ends the workers too.
        let id = self.child.id().to_string();
        _ = Command::new("kill").args(["-TERM", &id]).status();
        _ = self.child.wait();
    }
}

#[test]
fn refusals_of_bodies_of_any_size_reach_clients_behind_nginx() {
    let place = Workplace::new();
    let keys = place.path("keys.pem");
    assert_eq!(place.run(&format!("key {}", keys.display())).code, 0);
    let token = |scope: &str| {
        let command = format!("token --key-file {} --scope {scope} --ttl 1h", keys.display());
        place.run(&command).stdout.trim().to_owned()
    };
    let (ingest, read) = (token("ingest"), token("read"));
    let arguments = format!(
        "--auth on --key-file {} --client-rate 1000 --client-requests 100000 --proxy-from 127.0.0.0/8",
        keys.display()
    );
    let service = ServiceProcess::start(&place.path("data"), &arguments);
    let json = "content-type: application/json\r\n";
    let lines = "content-type: application/x-ndjson\r\n";
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    for is_buffering in [true, false] {
        let dir = place.path(if is_buffering { "nginx" } else { "nginx-unbuffered" });
        let nginx = Nginx::start(&dir, &service.url, is_buffering);
        for length in [10_000, 100_000, 1_000_000, 8_000_000] {
            let body = b"1\n".repeat(length / 2);
            for (status, request, headers) in [
                (401, "POST /v1/events", json.to_owned()),
                (403, "POST /v1/events", json.to_owned() + &bearer(&read)),
                (404, "POST /nowhere", String::new()),
                (405, "POST /v1/classes", String::new()),
                (413, "POST /v1/events", lines.to_owned() + &bearer(&ingest)),
                (
                    415,
                    "POST /v1/events",
                    "content-type: image/png\r\n".to_owned() + &bearer(&ingest),
                ),
            ] {
                let head = format!("{request} HTTP/1.1\r\n{headers}");
                let found = nginx.status(&head, &body);
                assert_eq!(found, status, "{length} bytes, buffering {is_buffering}");
                assert_eq!(nginx.status("GET /healthz HTTP/1.1\r\n", b""), 200, "after {status}");
            }
        }
    }
    assert_eq!(service.stop(), 0);
}

#[test]
fn a_client_over_its_rate_gets_a_429_behind_nginx() {
    let place = Workplace::new();
    let service =
        ServiceProcess::start(&place.path("data"), "--client-requests 1 --proxy-from 127.0.0.1");
    let nginx = Nginx::start(&place.path("nginx"), &service.url, true);
    let head = "POST /v1/events HTTP/1.1\r\ncontent-type: application/json\r\n";
    for length in [10_000, 100_000, 1_000_000, 8_000_000] {
        let body = vec![b' '; length];
        wait_for("a 429", || nginx.status(head, &body) == 429);
    }
    assert_eq!(service.stop(), 0);
}
