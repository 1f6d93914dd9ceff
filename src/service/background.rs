//! The background tasks of a service: publisher, uploader of dead letters, saver, memory monitor and
//! rebuilder.

use std::sync::{Arc, Mutex};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use super::checkpoint_file::CHECKPOINT;
use super::config::Config;
use super::engine_state::EngineState;
use super::error::ServiceError;
use super::handles::ServiceHandles;
use super::memory_monitor;
use super::mutex::lock;
use super::node_links::NodeLinks;
use super::rebuild_context::RebuildContext;
use super::reloader::Reloader;
use super::replacer::{NodeParts, Replacer};
use super::running_log::RunningLog;
use super::saver::{self, Saver, SaverHealth};
use super::stoppable_thread::StoppableThread;
use super::stores::Stores;
use crate::dead_letters::Uploader;
use crate::engine::{Engine, RunningEngine};
use crate::publish::{Publisher, Uploads};
use crate::rebuild_requests::RebuildRequests;

/// The background tasks, and the engine that they share.
pub(super) struct Background {
    publisher: PublisherTask,
    uploader: StoppableThread,
    saver: StoppableThread,
    memory_monitor: StoppableThread,
    reloader: StoppableThread,
    rebuilds: RebuildRequests,
    replacer: Replacer,
    /// Locked while the engine is replaced.
    engine: Arc<Mutex<RunningEngine>>,
}

/// The task that publishes history objects.
struct PublisherTask {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Background {
    /// Starts all tasks.
    pub(super) fn start(
        config: Config,
        stores: Stores,
        handles: &ServiceHandles,
        engine: EngineState,
        log: RunningLog,
        links: NodeLinks,
        runtime: &Handle,
    ) -> Result<Self, ServiceError> {
        let EngineState { running, bans, checkpoint } = engine;
        let Stores { archive, served_history, history_bucket } = stores;
        let uploads = history_bucket.map(|bucket| {
            Uploads::new(bucket, config.history_acl, handles.health.component("history"))
        });
        let files = handles.health.component("history files");
        let (objects, clock) = (handles.objects.clone(), config.clock.clone());
        let publisher =
            Publisher::new(running.engine.clone(), served_history, uploads, objects, clock, files);
        let publisher = PublisherTask::start(publisher, runtime);

        let uploader = Uploader::new(handles.dead_letters.clone(), archive);
        let uploader = StoppableThread::spawn("uploader", move |stopped| uploader.run(stopped))?;

        // Without a saved checkpoint, recovery has just replayed the complete log, so there is nothing
        // to rebuild.
        if config.rebuild && checkpoint.complete().is_some() {
            let rules = config.rules.unwrap_or_else(|| checkpoint.rules().clone());
            handles.rebuilds.force(rules);
        }
        let memory_monitor = {
            let (log, component) = (log.handle.clone(), handles.health.component("memory"));
            StoppableThread::spawn("memory", move |stopped| {
                memory_monitor::run(&log, config.memory_max, &component, stopped);
            })?
        };
        let reloader = Reloader::new(&config.serve, config.tls.as_ref(), &handles.health);
        let hangups = config.hangups;
        let reloader =
            StoppableThread::spawn("reloader", move |stopped| reloader.run(hangups, stopped))?;
        let saver = Saver::new(checkpoint, &running, log.positions.clone());
        let (engine, saver) = (Arc::new(Mutex::new(running)), Arc::new(Mutex::new(saver)));
        let node = config.cluster.zip(handles.cluster.clone()).map(|(cluster, status)| NodeParts {
            cluster,
            archives: config.archives,
            endpoint: config.endpoint,
            clock: config.clock.clone(),
            status,
            links,
        });
        let replacer = Replacer::start(
            RebuildContext {
                rebuilds: handles.rebuilds.clone(),
                running: Arc::clone(&engine),
                saver: Arc::clone(&saver),
                log,
                bans,
                checkpoint: config.data.join(CHECKPOINT),
                data: config.data,
                checkpoint_every: config.checkpoint_every,
                workers: config.workers,
                runtime: runtime.clone(),
            },
            node,
        )?;
        let (every, clock) = (config.checkpoint_every, config.clock);
        let health = SaverHealth {
            checkpoint: handles.health.component("checkpoint"),
            clock: handles.health.component("clock"),
        };
        let saver = StoppableThread::spawn("saver", move |stopped| {
            saver::run(&saver, every, &clock, &health, stopped);
        })?;
        let rebuilds = handles.rebuilds.clone();
        Ok(Self {
            publisher,
            uploader,
            saver,
            memory_monitor,
            reloader,
            rebuilds,
            replacer,
            engine,
        })
    }

    /// Cancels the rebuild in progress and all later ones.
    pub(super) fn cancel_rebuilds(&self) {
        self.rebuilds.stop();
    }

    /// The handle of the engine. Waits while a rebuild replaces the engine.
    pub(super) fn current_engine(&self) -> Engine {
        lock(&self.engine).engine.clone()
    }

    /// Publishes and saves everything that is complete, then ends the tasks and the engine.
    pub(super) fn stop(self, runtime: &Runtime) {
        self.publisher.stop(runtime);
        self.uploader.stop();
        self.saver.stop();
        self.memory_monitor.stop();
        self.reloader.stop();
        self.replacer.stop();
        drop(self.engine);
    }
}

impl PublisherTask {
    fn start(publisher: Publisher, runtime: &Handle) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: runtime.spawn(publisher.run(stopped)) }
    }

    /// Publishes the remaining changes, and waits for the task to end.
    fn stop(self, runtime: &Runtime) {
        self.stop.send_replace(true);
        runtime.block_on(self.task).unwrap_or_default();
    }
}
