//! The compatibility endpoints, called by curl with the data of the systems that they replace.

mod alleycat;
mod firebase;

use std::process::Command;

use serde_json::Value;

use crate::serving::ServiceProcess;

/// A response that curl received.
struct Answer {
    status: u16,
    /// The status line and headers, in lower case.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Runs curl with arguments separated by spaces.
    fn get(serving: &ServiceProcess, path: &str, arguments: &str) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include"]).args(arguments.split(' ').filter(|a| !a.is_empty()));
        let output = curl.arg(format!("{}{path}", serving.url)).output().unwrap();
        let end = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(output.stdout[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: output.stdout[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| *header == name).map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }
}
