//! `velodrome cluster status`: prints what a node knows of its cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio_rustls::rustls::crypto::ring;
use ureq::Agent;
use ureq::http::header::AUTHORIZATION;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::commands::output;
use crate::time::FORMATTED_MS_END;

/// How long a node may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where most Linux distributions have the certificates of public authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Print the nodes of a cluster, and whether it answers reads
///
/// Any node can be asked. The exit status is 0 if a generation answers reads there, and 1 if none does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  velodrome cluster status http://127.0.0.1:7070
  velodrome cluster status https://node-1.example.com:7070 --ca ca.pem")]
pub(super) struct StatusArgs {
    /// URL of a node, as http://host:port or https://host:port
    #[arg(value_name = "URL")]
    url: String,
    /// PEM file of the certificates to trust for https
    #[arg(long, env = "VELODROME_CA", value_name = "FILE", default_value = AUTHORITIES)]
    ca: PathBuf,
    /// Token with the scope read
    #[arg(long, env = "VELODROME_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// The answer of `GET /v1/cluster`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    cluster: String,
    node: u64,
    state: State,
    generation: Option<u64>,
    reason: Option<String>,
    workers: u64,
    nodes: Vec<Node>,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Waiting,
    Forming,
    Live,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: u64,
    url: String,
    connected: Option<bool>,
    log_time: Option<u64>,
    lag_ms: Option<u64>,
    checkpoint: Option<u64>,
    shards: Vec<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// Prints the state of the cluster. The status is 1 if no generation answers reads.
///
/// # Errors
/// If the node does not answer, or is not part of a cluster.
pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let cluster = fetch(args)?;
    output::print(cluster.describe())?;
    Ok(ExitCode::from(u8::from(cluster.state != State::Live)))
}

fn fetch(StatusArgs { url, token, ca }: &StatusArgs) -> anyhow::Result<Cluster> {
    let address = format!("{}/v1/cluster", url.trim_end_matches('/'));
    let agent = match address.split_once("://") {
        Some(("http", _)) => agent(None),
        Some(("https", _)) => agent(Some(authorities(ca)?)),
        _ => bail!("'{url}' is not the URL of a node; give it as http://host:port"),
    };
    let mut request = agent.get(&address);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut response = request.call().with_context(|| format!("cannot ask '{url}'"))?;
    let status = response.status();
    let body = response.body_mut().read_to_string();
    let body = body.with_context(|| format!("the answer of '{url}' ended too early"))?;
    if status != 200 {
        let message = serde_json::from_str(&body).map(|ErrorBody { error }| error.message);
        bail!("'{url}' answered {status}: {}", message.unwrap_or_default());
    }
    serde_json::from_str(&body).with_context(|| format!("'{url}' is not a node of Velodrome"))
}

/// A client of nodes, with TLS if it trusts certificates.
fn agent(trusted: Option<Vec<Certificate<'static>>>) -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None);
    let mut config = config.timeout_global(Some(TIMEOUT));
    if let Some(trusted) = trusted {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(trusted)));
        config = config.tls_config(tls.build());
    }
    config.build().into()
}

/// The certificates in the PEM file `path`.
fn authorities(path: &Path) -> anyhow::Result<Vec<Certificate<'static>>> {
    let text = fs::read(path).with_context(|| {
        let path = path.display();
        format!("cannot read the certificates to trust from '{path}'; give their file with --ca")
    })?;
    let items = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = items.collect();
    if certificates.is_empty() {
        bail!("'{}' has no certificate; give a PEM file that contains one", path.display());
    }
    Ok(certificates)
}

impl Cluster {
    fn describe(&self) -> String {
        let Self { cluster, node, state, generation, reason, workers, nodes } = self;
        let generation = generation.map_or("none".to_owned(), |number| number.to_string());
        let state = match state {
            State::Live => "answers reads".to_owned(),
            State::Forming => "catches up".to_owned(),
            State::Waiting => format!("waits: {}", reason.as_deref().unwrap_or("no reason")),
        };
        let titles = ["node", "url", "connected", "log time", "lag", "shards", "checkpoint"];
        let mut rows = vec![titles.map(str::to_owned)];
        rows.extend(nodes.iter().map(Node::row));
        format!(
            "cluster     {cluster}, as node {node} knows it\n\
             generation  {generation}, {state}\n\
             workers     {workers} on each of {} nodes\n\
             \n\
             {}",
            nodes.len(),
            table(&rows)
        )
    }
}

impl Node {
    fn row(&self) -> [String; 7] {
        let connected = match self.connected {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let lag = self.lag_ms.map_or("-".to_owned(), |lag| format!("{lag} ms"));
        let (log_time, checkpoint) = (time(self.log_time), time(self.checkpoint));
        let (id, url, shards) =
            (self.id.to_string(), self.url.clone(), self.shards.len().to_string());
        [id, url, connected.to_owned(), log_time, lag, shards, checkpoint]
    }
}

/// A time in ms since the epoch.
fn time(ms: Option<u64>) -> String {
    // Only a wrong node shows a time after the year 9999, which cannot be formatted.
    let time = ms.filter(|ms| *ms < FORMATTED_MS_END).map(Duration::from_millis);
    let time = time.and_then(|since| UNIX_EPOCH.checked_add(since));
    time.map_or("-".to_owned(), |time| humantime::format_rfc3339_millis(time).to_string())
}

/// Rows with columns that are aligned to the left.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: Vec<_> =
        (0..N).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_without_a_generation_says_why_and_what_each_node_reported() {
        let answer = r#"{"cluster":"8f3a","node":1,"state":"waiting","generation":4,"reason":"node 2 is lost",
            "asOf":1620240001010,"workers":2,"nodes":[
            {"id":0,"url":"http://a:7070","connected":true,"logTime":1620240001114,"lagMs":12,"checkpoint":1620240000000,"shards":["shardId-000000000001"]},
            {"id":2,"url":"http://long-name:7070","connected":false,"logTime":null,"lagMs":null,"checkpoint":null,"shards":[]}]}"#;
        let cluster: Cluster = serde_json::from_str(answer).unwrap();
        let expected = "\
cluster     8f3a, as node 1 knows it
generation  4, waits: node 2 is lost
workers     2 on each of 2 nodes

node  url                    connected  log time                  lag    shards  checkpoint
0     http://a:7070          yes        2021-05-05T18:40:01.114Z  12 ms  1       2021-05-05T18:40:00.000Z
2     http://long-name:7070  no         -                         -      0       -";
        assert_eq!(cluster.describe(), expected);
    }
}
