//! Local servers that speak Kinesis and S3, each on its own loopback port, and the tests' clients.

mod kinesis;
mod s3;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::runtime::Runtime;

pub(crate) use kinesis::Kinesis;
pub(crate) use s3::S3;

/// The environment of each client: credentials that the servers accept, and settings that hide the
/// machine's own.
pub(crate) const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// The path of a package that `scripts/test` installs.
fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(path);
    assert!(path.exists(), "'{}' is missing; scripts/test installs it", path.display());
    path
}

/// A running server, which is killed when this is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts `command`, which prints its address on a line of `output`.
    fn start(mut command: Command, output: impl Fn(&mut Child) -> Box<dyn BufRead + Send>) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let mut lines = output(&mut child).lines().map_while(Result::ok);
        let address = |line: String| {
            let word = line.split_whitespace().find(|word| word.starts_with("http://127."))?;
            Some(word.to_owned())
        };
        let url = lines.find_map(address).unwrap();
        // A full pipe would block the server.
        thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A runtime and a configuration for a client of the server at `url`.
fn client(url: &str) -> (Runtime, SdkConfig) {
    (Runtime::new().unwrap(), config(url))
}

pub(crate) fn config(url: &str) -> SdkConfig {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().tls_provider(tls).build_https())
        .endpoint_url(url);
    config.build()
}

#[test]
fn the_servers_work() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 2);
    let [first, second] = &kinesis.open_shards("races")[..] else { panic!("two shards") };
    kinesis.split("races", first);
    let open = kinesis.open_shards("races");
    assert_eq!(open.len(), 3);
    kinesis.merge("races", &open[1], second);
    assert_eq!((kinesis.open_shards("races").len(), kinesis.shards("races").len()), (2, 5));
    let s3 = S3::start();
    s3.create("velodrome");
    s3.put("velodrome", "a/b", b"x".to_vec());
    assert_eq!(s3.keys("velodrome", "a/"), ["a/b"]);
    assert_eq!(s3.get("velodrome", "a/b"), b"x");
    assert_eq!(s3.environment().chain(kinesis.environment()).count(), 10);
}
