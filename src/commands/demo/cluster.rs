//! `velodrome demo --nodes N`: a cluster of processes on this machine, with simulated racing.

mod node;
mod supervisor;

use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, ensure};
use tokio::sync::watch;

use self::node::DemoNode;
use self::supervisor::{RESTART_PAUSE, Supervisor};
use super::{HOURS, RIDERS, now_ms, workload, write_past_races};
use crate::cluster::{self, CLUSTER_FILE, NodeAddress};
use crate::commands::output;
use crate::simulate::load_test::{self, EventSource, LoadTest, Rate, Target};

/// The directory of the cluster file.
const FILES: &str = "cluster";

/// Races in a cluster of `nodes` processes in `directory` until `stop` is true. The page of the first is at `port`.
pub(super) fn race(
    directory: &Path,
    nodes: usize,
    port: u16,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let addresses = addresses(nodes, port)?;
    cluster::create(&directory.join(FILES), &addresses, NonZeroUsize::MIN)?;
    let now_ms = now_ms();
    write_past_races(&directory.join(node::name(0)), now_ms, stop)
        .context("cannot write the past races")?;

    let file = directory.join(FILES).join(CLUSTER_FILE);
    let nodes = addresses.iter().enumerate();
    let nodes = nodes.map(|(id, at)| DemoNode::new(id, at, directory, &file)).collect();
    let mut supervisor = Supervisor::start(nodes)?;
    if !supervisor.wait_until_live(stop)? {
        return Ok(());
    }
    output::print(format_args!("velodrome races at {}", supervisor.urls()))?;
    let (workload, guide) = (workload(HOURS, now_ms, 1)?, guide(&supervisor, directory));
    let urls = addresses.into_iter().map(|address| address.url).collect();
    let sending = LoadTest {
        target: Target::Service { urls, token: None },
        rate: Rate::Factor(1.0),
        connections: NonZeroUsize::MIN,
        batch: NonZeroUsize::new(500).unwrap_or(NonZeroUsize::MIN),
        // A read would wait for a node that is lost.
        is_probed: false,
    };
    let (is_over, printed) = (AtomicBool::new(false), OnceLock::new());
    let sent = thread::scope(|scope| {
        let supervised = scope.spawn(|| supervisor.run(&is_over));
        let sent = load_test::run(&EventSource::Simulated(workload), &sending, stop, |progress| {
            // When all riders have sent an event, every page shows a race.
            if progress.events >= u64::from(RIDERS) {
                printed.get_or_init(|| output::print(&guide));
            }
        });
        is_over.store(true, Ordering::Release);
        supervised.join().unwrap_or_default();
        sent
    });
    supervisor.stop();
    sent?;
    printed.into_inner().transpose()?;
    Ok(())
}

/// Addresses of `nodes` nodes on loopback. Their pages are at `port` and the ports after it, or at free ports for 0.
fn addresses(nodes: usize, port: u16) -> anyhow::Result<Vec<NodeAddress>> {
    let last = usize::from(port) + nodes - 1;
    ensure!(
        last <= usize::from(u16::MAX),
        "the last page would be at port {last}; give a smaller --port"
    );
    // All are bound at the same time, so that they differ.
    let free = (0..2 * nodes).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let free = free.collect::<Result<Vec<_>, _>>().context("there are not enough free ports")?;
    let at = |listener: &TcpListener| anyhow::Ok(listener.local_addr()?.to_string());
    let address = |(id, pair): (usize, &[TcpListener])| {
        let [own, page] = pair else { anyhow::bail!("a node needs two ports") };
        let page = match port {
            0 => at(page)?,
            port => format!("{}:{}", Ipv4Addr::LOCALHOST, usize::from(port) + id),
        };
        anyhow::Ok(NodeAddress::new(at(own)?, format!("http://{page}")))
    };
    free.chunks(2).enumerate().map(address).collect()
}

/// What to try while races are running.
fn guide(supervisor: &Supervisor, directory: &Path) -> String {
    let lines = supervisor.nodes().iter().map(DemoNode::describe);
    let nodes = lines.collect::<Vec<_>>().join("\n");
    let Some((first, last)) = supervisor.nodes().first().zip(supervisor.nodes().last()) else {
        return String::new();
    };
    let (id, process, seconds) = (last.id, last.process(), RESTART_PAUSE.as_secs());
    let velodrome = Command::new(std::env::args_os().next().unwrap_or_default());
    format!(
        "\
open the pages of two nodes, side by side
{nodes}
try
  state         {program} cluster status {url}
  lose a node   kill -9 {process}
what happens
  - the other pages say 'the cluster waits for node {id}' and stay as they are
  - the other nodes still accept events, and the races continue
  - after {seconds} s this demo starts node {id} again; all pages catch up, and no event is lost
node 0 forms the cluster, but losing it is no different; a planned stop is 'kill' without -9
data and logs are in '{directory}'; press Ctrl-C to stop",
        program = velodrome.get_program().display(),
        url = first.url,
        directory = directory.display(),
    )
}
