//! A cluster: one live service on several nodes.
//!
//! ```text
//! node 1 ──── control ───► node 0, the coordinator       ready, form, lost, end; heartbeats with clocks
//! node 1 ◄─── link ──────► node 2                        timely's records, for one generation
//! ```
//!
//! A *generation* is one engine whose workers run on all nodes. The coordinator forms it once all nodes are
//! ready, and ends it on all nodes when one is lost. The nodes themselves run on: their logs accept events,
//! and readers see the last state. No generation runs without all nodes, because none could read the log of
//! the missing one; so a fixed coordinator costs nothing, and two parts of a cluster can never both run.
//!
//! The number of a generation is durable on the coordinator before it is proposed, and on each member before
//! it joins, so an earlier generation never runs again.
//!
//! All connections begin with a hello, in which a node names itself, its build and its settings. Outside
//! loopback they are encrypted and authenticated on both ends.

mod certificates;
mod config;
mod error;
mod init;
mod interface;
mod node_id;
mod sequences;
mod snapshot;
mod status;
mod view;

mod clock_difference;
mod control;
mod dial;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod generation_file;
mod links;
mod listener;
mod message;

mod announcements;
mod archived;
mod changes;
mod coordinator;
mod formed;
mod generations;
mod plan;
mod received;

mod event;
mod member;
mod reporter;
mod requests;
mod run;
mod runs;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use velodrome_dataflows::{Ban, EventTime};

pub use announcements::Announcements;
pub use config::{ClusterConfig, Node};
pub use coordinator::NO_GENERATION;
pub use error::ClusterError;
pub use generation_file::GENERATION;
pub use init::{CLUSTER_FILE, NodeAddress, add, create};
pub use interface::Generations;
pub use message::{Plan, Ready};
pub use node_id::{COORDINATOR, NodeId, archive_folder, parse_archive_folder};
pub use sequences::Sequences;
pub use snapshot::{Snapshot, State};
pub use status::{Stale, Status};
#[cfg(test)]
pub(crate) use tests::status as status_tests;
pub use view::{NodeView, Report};

use crate::engine::Settings;
use crate::log::Clock;
use crate::mesh;
use coordinator::Coordinator;
use event::Event;
use generation_file::GenerationFile;
use links::LinkRoom;
use listener::Listener;
use member::Member;
use reporter::Reporter;
use requests::Requests;

/// A node that takes part in its cluster.
#[derive(Debug)]
pub struct RunningNode {
    member: JoinHandle<()>,
    member_events: Sender<Event>,
    reporter: Reporter,
    coordinator: Option<(JoinHandle<()>, Sender<coordinator::Event>)>,
    listener: mesh::Listener,
}

impl RunningNode {
    /// Listens for other nodes, and takes part in one generation after the other. `data` is the node's data directory.
    ///
    /// # Errors
    /// When the cluster address, or a file of the data directory, cannot be used.
    pub fn start(
        config: ClusterConfig,
        data: &Path,
        clock: Clock,
        status: Status,
        announcements: &Announcements,
        generations: Arc<impl Generations>,
    ) -> Result<Self, ClusterError> {
        let config = Arc::new(config);
        let settings = settings(&config, generations.stream());
        let newest = GenerationFile::open(data.to_owned())?;
        if newest.number() > 0 {
            status.joined();
        }
        let newest = Arc::new(Mutex::new(newest));
        let links = Arc::new(LinkRoom::default());
        let (coordinator, controls) = match config.is_coordinator() {
            true => {
                let (running, sender) =
                    Coordinator::start(Arc::clone(&config), clock.clone(), Arc::clone(&newest))?;
                (Some((running, sender.clone())), Some(Mutex::new(sender)))
            }
            false => (None, None),
        };
        let listener = Listener {
            config: Arc::clone(&config),
            settings: settings.clone(),
            links: Arc::clone(&links),
            controls,
        };
        let listener = listener.start()?;
        let (sender, events) = channel();
        let reporter = Reporter::start(
            Arc::clone(&generations),
            status.clone(),
            sender.clone(),
            Arc::clone(&newest),
        )?;
        let member = Member {
            config,
            settings,
            clock,
            links,
            newest,
            generations,
            status,
            events,
            sender: sender.clone(),
            connections: 0,
            control: None,
            retry_at: Instant::now(),
            requests: Requests::default(),
            runs: Vec::new(),
        };
        announcements.send_to(sender.clone());
        let thread = thread::Builder::new().name("member".to_owned());
        let running = thread.spawn(move || member.run()).map_err(ClusterError::Thread)?;
        Ok(Self { member: running, member_events: sender, reporter, coordinator, listener })
    }

    /// What requests changes of bans and switches of rules.
    pub fn requester(&self) -> Requester {
        Requester(self.member_events.clone())
    }

    /// Leaves the generation that runs, and waits until nothing of it is left.
    pub fn stop(self) {
        self.reporter.stop();
        self.member_events.send(Event::Stop).unwrap_or_default();
        self.member.join().unwrap_or_default();
        self.listener.stop();
        if let Some((coordinator, events)) = self.coordinator {
            events.send(coordinator::Event::Stop).unwrap_or_default();
            coordinator.join().unwrap_or_default();
        }
    }
}

/// How long a change of bans may take.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(10);

/// Requests changes of bans, which are durable on all nodes before they are in effect, and switches of rules.
#[derive(Clone, Debug)]
pub struct Requester(Sender<Event>);

impl Requester {
    /// Changes the bans. Returns the time from which on all answers have the change. Blocks the thread.
    ///
    /// # Errors
    /// Why the change is not in effect. It may be durable.
    pub fn change(&self, ban: Ban) -> Result<EventTime, String> {
        let (reply, result) = sync_channel(1);
        self.0.send(Event::Change(ban, reply)).unwrap_or_default();
        match result.recv_timeout(CHANGE_TIME_MAX) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err("the other nodes do not reply".to_owned()),
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("node {COORDINATOR} is not connected; try again in a second"))
            }
        }
    }
}

impl Requester {
    /// Requests that `rules`, in their canonical form, become active on all nodes. A forced switch replays the logs even
    /// under the same rules. A later switch replaces an earlier one. Returns the channel of the result; without a
    /// result, the coordinator is lost.
    pub fn switch(&self, rules: String, is_forced: bool) -> Receiver<Result<(), String>> {
        let (reply, result) = sync_channel(1);
        self.0.send(Event::Switch { rules, is_forced, reply }).unwrap_or_default();
        result
    }
}

/// What must be equal on all nodes.
fn settings(config: &ClusterConfig, stream: Option<&str>) -> Settings {
    let ids: Vec<_> = config.nodes.iter().map(|node| node.id.to_string()).collect();
    Settings::new("serve")
        .with("list of nodes", ids.join(", "))
        .with("number of workers", config.workers)
        .with("stream (--source)", stream.unwrap_or("none"))
}
