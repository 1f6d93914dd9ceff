//! Starts a listening service: recovers the engine, then accepts events.

use tokio::runtime::Runtime;
use velodrome_dataflows::Mode;

use super::background::Background;
use super::config::Config;
use super::engine_state::EngineState;
use super::error::ServiceError;
use super::event_input::EventInput;
use super::handles::ServiceHandles;
use super::listening::Service;
use super::node_links::NodeLinks;
use super::running::RunningService;
use super::running_log::RunningLog;
use super::running_source::RunningSource;
use crate::cluster::{Announcements, ClusterConfig};
use crate::engine::RideAdmission;
use crate::kinesis::Sinks;
use crate::log::{ArrivalSlots, OpenedLog, TICK_MS};
use crate::open_rides::OpenRides;

impl Service {
    /// Recovers from the checkpoint and the log, then accepts events and answers reads.
    ///
    /// # Errors
    /// When the checkpoint or the log cannot be read, and when the service is stopped during recovery.
    pub fn start(self) -> Result<RunningService, ServiceError> {
        let Self {
            config,
            stores,
            input,
            engine,
            handles,
            server,
            shutdown,
            runtime,
            directory,
            ..
        } = self;
        let EventInput { log, source } = input;
        let announcements = Announcements::default();
        let log = match &config.cluster {
            None => start_log(log, &config, &engine, &handles, &runtime)?,
            Some(cluster) => {
                start_log_of_node(log, cluster, &config, &engine, &handles, announcements.clone())?
            }
        };
        server.app.start(log.handle.clone());
        let stopped = shutdown.subscribe();
        let source = source.map(|source| {
            let (sinks, component) =
                (sinks(&log, &engine, &handles), handles.health.component("source"));
            match &config.cluster {
                None => RunningSource::start(source, sinks, component, stopped, &runtime),
                Some(cluster) => {
                    let (files, announcements) = (log.files.clone(), announcements.clone());
                    RunningSource::prepare(
                        source,
                        cluster,
                        sinks,
                        component,
                        files,
                        announcements,
                        &runtime,
                    )
                }
            }
        });
        tracing::info!("ready");

        let (handle, clock) = (log.handle.clone(), config.clock.clone());
        let links = NodeLinks {
            announcements: announcements.clone(),
            source: source.as_ref().and_then(RunningSource::of_node),
        };
        let background =
            Background::start(config, stores, &handles, engine, log, links, runtime.handle())?;
        Ok(RunningService {
            shutdown,
            server: server.task,
            source,
            log: handle,
            announcements,
            clock,
            background,
            runtime,
            directory,
        })
    }
}

/// Recovers the engine from the checkpoint and the log, and starts the log.
///
/// # Errors
/// When the checkpoint or the log cannot be read.
pub(super) fn start_log(
    log: OpenedLog,
    config: &Config,
    engine: &EngineState,
    handles: &ServiceHandles,
    runtime: &Runtime,
) -> Result<RunningLog, ServiceError> {
    let rides = OpenRides::new(Mode::Service, config.open_rides_max.get());
    let mut admission = RideAdmission::new(rides, engine.running.engine.watch_rules());
    let recovered = engine.recover(config, &log.files(), runtime.handle(), &mut admission)?;

    let now = config.clock.now();
    let archive = handles.health.component("archive");
    let log = RunningLog::start(log, engine, admission, archive, Announcements::default())?;
    // Wait until the engine is complete up to the present. The first readers then see all events of the
    // log, and the lag limit does not reject events while the engine catches up from the log's time.
    let present = recovered.max(now.saturating_sub(TICK_MS));
    let mut stop = config.stop.clone();
    runtime.block_on(async {
        tokio::select! {
            _ = engine.running.engine.wait_complete(present) => (),
            _ = stop.wait_for(|stop| *stop) => (),
        }
    });
    Ok(log)
}

/// Starts the log of a node, which accepts events although no generation of its cluster runs yet.
///
/// The bound on open rides counts those that this process has admitted.
fn start_log_of_node(
    log: OpenedLog,
    cluster: &ClusterConfig,
    config: &Config,
    engine: &EngineState,
    handles: &ServiceHandles,
    announcements: Announcements,
) -> Result<RunningLog, ServiceError> {
    let rides = OpenRides::new(Mode::Service, config.open_rides_max.get());
    let admission = RideAdmission::new(rides, engine.running.engine.watch_rules());
    let slots = ArrivalSlots::of_node(cluster.index, cluster.nodes.len());
    let log = log.of_node(slots);
    let archive = handles.health.component("archive");
    RunningLog::start(log, engine, admission, archive, announcements)
}

/// Where the records of a stream go.
fn sinks(log: &RunningLog, engine: &EngineState, handles: &ServiceHandles) -> Sinks {
    Sinks {
        log: log.handle.clone(),
        dead_letters: handles.dead_letters.clone(),
        rules: engine.running.engine.watch_rules(),
    }
}
