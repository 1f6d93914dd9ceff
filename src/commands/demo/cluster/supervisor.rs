//! Starts the nodes of the demonstration, starts those again that people kill, and stops all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::node::DemoNode;
use crate::commands::output;

/// How long a node that ended stays down, so that people can see what the others do.
pub(super) const RESTART_PAUSE: Duration = Duration::from_secs(10);

/// The interval at which the processes are checked.
const POLL: Duration = Duration::from_millis(100);

/// How long all nodes together may take to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// The nodes, each with the time when it ended, if it is down.
#[derive(Debug)]
pub(super) struct Supervisor {
    nodes: Vec<DemoNode>,
    down_since: Vec<Option<Instant>>,
}

impl Supervisor {
    /// Starts all nodes.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(super) fn start(mut nodes: Vec<DemoNode>) -> anyhow::Result<Self> {
        nodes.iter_mut().try_for_each(DemoNode::start)?;
        Ok(Self { down_since: vec![None; nodes.len()], nodes })
    }

    /// The nodes, by their ids.
    pub(super) fn nodes(&self) -> &[DemoNode] {
        &self.nodes
    }

    /// The URLs of all nodes, for people.
    pub(super) fn urls(&self) -> String {
        self.nodes.iter().map(|node| node.url.as_str()).collect::<Vec<_>>().join(" and ")
    }

    /// Waits until a generation answers reads on all nodes. Returns false if `stop` becomes true first; then all nodes
    /// have stopped.
    ///
    /// # Errors
    /// When a node ends.
    pub(super) fn wait_until_live(&mut self, stop: &watch::Receiver<bool>) -> anyhow::Result<bool> {
        for position in 0..self.nodes.len() {
            while !self.nodes[position].is_live()? {
                if *stop.borrow() {
                    self.stop();
                    return Ok(false);
                }
                thread::sleep(POLL);
            }
        }
        Ok(true)
    }

    /// Starts nodes again that end, after a pause, until `is_over`.
    pub(super) fn run(&mut self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Acquire) {
            for (node, down_since) in self.nodes.iter_mut().zip(&mut self.down_since) {
                supervise(node, down_since);
            }
            thread::sleep(POLL);
        }
    }

    /// Stops all nodes that run, and waits until they have.
    pub(super) fn stop(&mut self) {
        self.nodes.iter().for_each(DemoNode::terminate);
        let deadline = Instant::now() + STOP_TIME_MAX;
        while self.nodes.iter().any(DemoNode::is_running) && Instant::now() < deadline {
            thread::sleep(POLL);
            for node in &mut self.nodes {
                // Forgets its process if it has ended.
                node.ended();
            }
        }
        self.nodes.iter_mut().for_each(DemoNode::kill);
    }
}

/// Checks a node, and starts it again when it has been down for long enough.
fn supervise(node: &mut DemoNode, down_since: &mut Option<Instant>) {
    // Only the terminal may be unable to print, and then nobody reads.
    let print = |text: String| output::print(text).unwrap_or_default();
    match *down_since {
        None => {
            if let Some(status) = node.ended() {
                *down_since = Some(Instant::now());
                let seconds = RESTART_PAUSE.as_secs();
                print(format!("node {} ended ({status}); it starts again in {seconds} s", node.id));
            }
        }
        Some(since) if since.elapsed() >= RESTART_PAUSE => {
            *down_since = None;
            match node.start() {
                Ok(()) => print(format!("node {} is process {} now", node.id, node.process())),
                Err(error) => print(format!("node {}: {error:#}", node.id)),
            }
        }
        Some(_) => {}
    }
}
