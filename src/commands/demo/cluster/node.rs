//! A node of the demonstration: a process that runs `velodrome serve`.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use ureq::Agent;

use crate::cluster::NodeAddress;

/// How long a node may take to answer whether it is live.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A node, whether it runs or not.
#[derive(Debug)]
pub(super) struct DemoNode {
    pub(super) id: usize,
    /// The URL of its page.
    pub(super) url: String,
    data: PathBuf,
    cluster_file: PathBuf,
    child: Option<Child>,
}

/// The name of the node's data directory.
pub(super) fn name(id: usize) -> String {
    format!("node-{id}")
}

impl DemoNode {
    /// A node that does not run yet, with its data in a directory of its own in `directory`.
    pub(super) fn new(
        id: usize,
        address: &NodeAddress,
        directory: &Path,
        cluster_file: &Path,
    ) -> Self {
        let (url, data) = (address.url.clone(), directory.join(name(id)));
        Self { id, url, data, cluster_file: cluster_file.to_owned(), child: None }
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        let log = self.log();
        let log = OpenOptions::new().create(true).append(true).open(&log);
        let log = log.context("cannot create the log of a node")?;
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let mut command = Command::new(program);
        // The variables of the demonstration are not meant for its nodes.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"VELODROME_") {
                command.env_remove(name);
            }
        }
        command.arg("serve").arg("--data").arg(&self.data);
        command.arg("--cluster").arg(&self.cluster_file).args(["--node", &self.id.to_string()]);
        command.args(["--auth", "off", "--listen", self.url.trim_start_matches("http://")]);
        // The pipe of its input closes when this process ends, however it ends.
        command.arg("--stop-at-end-of-input").stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().context("cannot start a node")?);
        Ok(())
    }

    /// The exit status, if the process has ended since the last call.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status)
    }

    /// Whether the process runs.
    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Whether a generation answers reads on this node.
    ///
    /// # Errors
    /// When the process has ended. The error has its last words.
    pub(super) fn is_live(&mut self) -> anyhow::Result<bool> {
        if let Some(status) = self.ended() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            bail!(
                "node {} ended with {status}: {}",
                self.id,
                log.lines().last().unwrap_or_default()
            );
        }
        let config = Agent::config_builder().proxy(None).timeout_global(Some(TIMEOUT));
        let agent: Agent = config.build().into();
        let answer = agent.get(format!("{}/v1/races", self.url)).call();
        Ok(answer.is_ok_and(|answer| !answer.headers().contains_key("stale")))
    }

    /// The process id.
    pub(super) fn process(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Its page and its process, for people.
    pub(super) fn describe(&self) -> String {
        format!("  node {}  {}/  process {}", self.id, self.url, self.process())
    }

    /// Asks the process to stop.
    pub(super) fn terminate(&self) {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()));
        // It may have ended.
        pid.map(|pid| kill_process(pid, Signal::TERM)).transpose().map(drop).unwrap_or_default();
    }

    /// Ends the process at once.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }

    fn log(&self) -> PathBuf {
        self.data.with_extension("log")
    }
}

impl Drop for DemoNode {
    fn drop(&mut self) {
        self.kill();
    }
}
