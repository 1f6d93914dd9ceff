//! One run of the service, from its start to its stop or crash. The simulation executes the background tasks.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use velodrome_dataflows::{EventTime, Rules};

use super::clocks::Clocks;
use crate::bans::Bans;
use crate::dead_letters::Uploader;
use crate::engine::{Engine, Events, RunningEngine};
use crate::log::{Clock, Log, LogHealth, TICK_MS};
use crate::publish::Publisher;
use crate::rebuild_requests::RebuildRequests;
use crate::serve::auth::Auth;
use crate::serve::{self, limits::Limits, proxies::TrustedProxies};
use crate::service::checkpoint_file::CHECKPOINT;
use crate::service::config::{ARCHIVE, Config, HISTORY};
use crate::service::data_directory::DataDirectory;
use crate::service::error::ServiceError;
use crate::service::listening::Service;
use crate::service::mutex::lock;
use crate::service::rebuild_context::RebuildContext;
use crate::service::replacer::start_rebuilder;
use crate::service::saver::Saver;
use crate::service::start::start_log;
use crate::store::Location;

/// How long the simulation waits for what must happen soon.
const TIMEOUT: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3_600);

/// How a service is started.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) workers: usize,
    pub(super) open_rides_max: usize,
    pub(super) accept_clock: bool,
    /// The rules of the first start.
    pub(super) rules: Option<Rules>,
}

/// A service that has started.
pub(super) struct Instance {
    pub(super) router: Router,
    clock: Clock,
    log: Log<Events>,
    engine: Engine,
    running: Arc<Mutex<RunningEngine>>,
    saver: Arc<Mutex<Saver>>,
    publisher: Publisher,
    uploader: Uploader,
    pub(super) bans: Bans,
    pub(super) rebuilds: RebuildRequests,
    rebuilder: JoinHandle<()>,
    shutdown: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    pub(super) runtime: Runtime,
    directory: DataDirectory,
}

fn config(data: &Path, clock: Clock, settings: Settings) -> Config {
    let limits = Limits {
        lag_max: LONG,
        append_timeout: LONG,
        client_requests_per_second: std::num::NonZeroU32::MAX,
        ..Limits::default()
    };
    let (stop, stopped) = watch::channel(false);
    // Nobody stops the start. Without a sender it would count as stopped.
    std::mem::forget(stop);
    Config {
        stop: stopped,
        hangups: watch::channel(0).1,
        data: data.to_owned(),
        archive: Location::Directory(data.join(ARCHIVE)),
        history: Location::Directory(data.join(HISTORY)),
        history_acl: None,
        source: None,
        endpoint: None,
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        archives: None,
        cluster: None,
        workers: settings.workers,
        open_rides_max: NonZeroUsize::new(settings.open_rides_max).unwrap(),
        memory_max: u64::MAX,
        rules: settings.rules,
        rebuild: false,
        checkpoint_every: LONG,
        clock,
        accept_clock: settings.accept_clock,
        accept_damage: false,
        serve: serve::Config {
            auth: Auth::Off,
            origins: Vec::new(),
            limits,
            proxies: TrustedProxies::default(),
        },
    }
}

impl Instance {
    /// Starts the service on the directory `data`. The clocks advance once when the log has started, because
    /// the start waits for the end of a tick.
    pub(super) fn start(
        data: &Path,
        clocks: &Clocks,
        settings: Settings,
    ) -> Result<Self, ServiceError> {
        let (config, is_over) =
            (config(data, clocks.service_clock(), settings), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !clocks.are_watched() && !is_over.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
                if clocks.are_watched() {
                    clocks.advance(TICK_MS + 1_100);
                }
            });
            let started = Self::start_with(config);
            is_over.store(true, Ordering::SeqCst);
            started
        })
    }

    fn start_with(config: Config) -> Result<Self, ServiceError> {
        let service = Service::listen(config, serve::metrics::install().unwrap())?;
        let Service { config, stores, input, engine, handles, server, shutdown, runtime, .. } =
            service;
        let log = start_log(input.log, &config, &engine, &handles, &runtime)?;
        server.app.start(log.handle.clone());
        let router = serve::router(server.app, serve::metrics::install().unwrap());
        let (handle, objects) = (engine.running.engine.clone(), handles.objects);
        let clock = config.clock;
        let component = handles.health.component("history files");
        let history = stores.served_history;
        let publisher =
            Publisher::new(handle.clone(), history, None, objects, clock.clone(), component);
        let uploader = Uploader::new(handles.dead_letters, stores.archive);
        let saver = Saver::new(engine.checkpoint, &engine.running, log.positions.clone());
        let (saver, running) = (Arc::new(Mutex::new(saver)), Arc::new(Mutex::new(engine.running)));
        let (bans, rebuilds, log_handle) = (engine.bans, handles.rebuilds, log.handle.clone());
        let rebuilder = start_rebuilder(RebuildContext {
            rebuilds: rebuilds.clone(),
            running: Arc::clone(&running),
            saver: Arc::clone(&saver),
            log,
            bans: bans.clone(),
            checkpoint: config.data.join(CHECKPOINT),
            data: config.data,
            checkpoint_every: LONG,
            workers: config.workers,
            runtime: runtime.handle().clone(),
        })?;
        Ok(Self {
            router,
            clock,
            log: log_handle,
            engine: handle,
            running,
            saver,
            publisher,
            uploader,
            bans,
            rebuilds,
            rebuilder,
            shutdown,
            server: server.task,
            runtime,
            directory: service.directory,
        })
    }

    /// The service's time.
    pub(super) fn now(&self) -> EventTime {
        self.clock.now()
    }

    pub(super) fn is_poisoned(&self) -> bool {
        matches!(self.log.health(), LogHealth::Poisoned(_))
    }

    /// The time up to which all events are in all answers.
    pub(super) fn complete(&self) -> EventTime {
        self.engine.complete()
    }

    /// Advances the clocks past the open tick, and waits until the engine has caught up.
    pub(super) fn settle(&self, clocks: &Clocks, ms: u64) {
        clocks.advance(ms + 1_100);
        let time = self.now() - TICK_MS;
        let reached =
            async { tokio::time::timeout(TIMEOUT, self.engine.wait_complete(time)).await };
        self.runtime.block_on(reached).expect("the engine does not advance").unwrap();
        self.runtime.block_on(self.engine.wait_drained()).unwrap();
    }

    /// Waits until `is_reached`.
    pub(super) fn wait(&self, mut is_reached: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_reached() {
            assert!(began.elapsed() < TIMEOUT, "the service hangs");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Saves a checkpoint.
    pub(super) fn save(&self) -> bool {
        lock(&self.saver).try_save().is_ok()
    }

    /// Saves a checkpoint on a thread.
    pub(super) fn start_saving(&self) -> JoinHandle<()> {
        let saver = Arc::clone(&self.saver);
        thread::spawn(move || lock(&saver).try_save().unwrap_or_default())
    }

    /// Publishes all classes that changed.
    pub(super) fn publish(&mut self) -> bool {
        self.runtime.block_on(self.publisher.publish(true))
    }

    /// Uploads the dead letters that are old enough.
    pub(super) fn upload(&self) {
        let (_running, stopped) = mpsc::channel();
        self.uploader.upload_closed(&stopped);
    }

    /// Stops in the order of a service, and saves everything if `is_graceful`.
    pub(super) fn stop(mut self, is_graceful: bool) {
        self.shutdown.send_replace(true);
        self.rebuilds.stop();
        drop(lock(&self.running));
        self.runtime.block_on(self.server).unwrap();
        self.log.close();
        if is_graceful {
            self.runtime.block_on(self.engine.wait_drained()).unwrap();
            self.runtime.block_on(self.publisher.publish(true));
            lock(&self.saver).try_save().unwrap_or_default();
        }
        self.rebuilder.join().unwrap();
        drop((self.saver, self.running, self.publisher));
        drop(self.directory);
        self.runtime.shutdown_background();
    }
}
