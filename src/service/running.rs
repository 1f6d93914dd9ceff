//! Starting, running and stopping the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::config::{Config, HISTORY, ServiceError};
use super::directory::Directory;
use super::rebuilder::{REBUILT, Rebuilder};
use super::saver::{self, Saver};
use super::{files, kept};
use crate::bans::Bans;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::dead_letters::{Courier, DeadLetters};
use crate::engine::{Command, Events, Junction, Live, Recovered, Tee, recover, window_ms};
use crate::health::Health;
use crate::kinesis::{Sinks, Source};
use crate::log::{self, Log, TICK_MS};
use crate::publish::{Objects, Publisher, Uploads};
use crate::rebuild::Rebuilds;
use crate::remote::Remote;
use crate::serve::{self, App, Parts};
use crate::store::{Location, Store};

/// The checkpoint's file in the data directory.
const CHECKPOINT: &str = "checkpoint.redb";

/// A service that listens.
pub struct Service {
    config: Config,
    address: SocketAddr,
    app: App,
    health: Health,
    /// Where the history objects are that are served.
    served: PathBuf,
    /// Where they are published beside that.
    bucket: Option<Arc<dyn Store>>,
    objects: Objects,
    dead_letters: DeadLetters,
    archive: Arc<dyn Store>,
    source: Option<Source>,
    live: Live,
    bans: Bans,
    checkpoint: Checkpoint,
    rebuilds: Rebuilds,
    log: log::Recovered,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    runtime: Runtime,
    directory: Directory,
}

/// The checkpoint of the data directory, made under the rules that are to hold.
fn checkpoint(config: &Config) -> Result<Checkpoint, ServiceError> {
    let path = config.data.join(CHECKPOINT);
    Checkpoint::discard(&config.data.join(REBUILT))?;
    let given = config.rules.clone().unwrap_or_default();
    let mut checkpoint = match Checkpoint::open(&path, &given) {
        Err(CheckpointError::Damaged { .. } | CheckpointError::Format { .. }) if config.rebuild => {
            Checkpoint::discard(&path)?;
            Checkpoint::open(&path, &given)?
        }
        opened => opened?,
    };
    if checkpoint.complete().is_none()
        && config.rules.is_none()
        && let Some(rules) = kept::read(&config.data)?
    {
        drop(checkpoint);
        checkpoint = Checkpoint::open(&path, &rules)?;
    }
    if let Some(rules) = config.rules.as_ref().filter(|_| !config.rebuild) {
        checkpoint.check(rules)?;
    }
    kept::keep(&config.data, checkpoint.rules());
    Ok(checkpoint)
}

impl Service {
    /// Takes the data directory and listens; every request is told that the service is starting.
    ///
    /// # Errors
    /// Whatever stands in the way, by its name.
    pub fn listen(mut config: Config, metrics: PrometheusHandle) -> Result<Self, ServiceError> {
        let directory = Directory::take(&config.data)?;
        let checkpoint = checkpoint(&config)?;
        let rules = checkpoint.rules().clone();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let remote = Remote::new(config.endpoint.clone(), runtime.handle().clone());
        let health = Health::default();
        let archive = config.archive.open(&remote)?;
        archive.check()?;
        let bucket = match &config.history {
            Location::Directory(_) => None,
            Location::Bucket(..) => Some(config.history.open(&remote)?),
        };
        bucket.as_ref().map_or(Ok(()), |bucket| bucket.check())?;
        let (followed, time) = config.clock.clone().followed();
        if config.source.is_some() {
            config.clock = followed;
        }
        let log = log::open(&config.data, Arc::clone(&archive), config.clock.clone())?;
        let source = config.source.as_ref().map(|source| {
            Source::open(source, &remote, &config.data, log.last_arrival(), &rules, time)
        });
        let source = source.transpose()?;
        let live = Live::start(config.workers, rules)?;
        // Before all else that the engine is told, so that nobody ever sees who is banned.
        let bans = Bans::open(&config.data, live.engine.clone())?;

        let listener = runtime.block_on(TcpListener::bind(config.listen));
        let listener = listener.map_err(|error| ServiceError::Listen(config.listen, error))?;
        let address = listener.local_addr()?;
        let dead_letters = DeadLetters::open(&config.data, config.clock.clone(), &health)?;
        let engine = live.engine.clone();
        let lag = move || engine.lag();
        let is_nobody_banned = runtime.block_on(bans.racers()).is_empty();
        let served = match &config.history {
            Location::Directory(path) => path.clone(),
            Location::Bucket(..) => config.data.join(HISTORY),
        };
        let objects = Objects::open(&served, is_nobody_banned.then_some(0));
        let (serving, engine) = (config.serve.clone(), live.engine.clone());
        let rebuilds = Rebuilds::default();
        let parts = Parts {
            engine,
            lag: Box::new(lag),
            dead_letters: dead_letters.clone(),
            health: health.clone(),
            objects: objects.clone(),
            bans: bans.clone(),
            rebuilds: rebuilds.clone(),
        };
        let app = App::new(parts, serving);
        let router = serve::router(app.clone(), metrics);
        let (stop, stopped) = watch::channel(false);
        let limits = config.serve.limits;
        files::allow(limits.connections);
        runtime.spawn(serve::stream::run(app.clone(), stopped.clone()));
        let server = serve::server::serve(listener, config.tls.clone(), router, limits, stopped);
        let server = runtime.spawn(server);
        Ok(Self {
            config,
            address,
            app,
            health,
            served,
            bucket,
            objects,
            dead_letters,
            archive,
            source,
            live,
            bans,
            checkpoint,
            rebuilds,
            log,
            stop,
            server,
            runtime,
            directory,
        })
    }

    /// The address that it listens on, as clients call it.
    pub fn url(&self) -> String {
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Goes on from the checkpoint and the log behind it, and takes events from then on.
    ///
    /// # Errors
    /// A checkpoint or log that cannot be read.
    pub fn start(self) -> Result<Running, ServiceError> {
        let Self {
            config,
            app,
            health,
            served,
            bucket,
            objects,
            dead_letters,
            archive,
            source,
            live,
            bans,
            checkpoint,
            rebuilds,
            log,
            stop,
            server,
            runtime,
            directory,
            ..
        } = self;
        let began = Instant::now();
        let (workers, rules) = (live.engine.workers(), checkpoint.rules().clone());
        let mut to = workers.iter().cycle();
        checkpoint.read(|changes, viewed| {
            if let Some(worker) = to.next() {
                worker.send(Command::Restore(changes, viewed));
            }
        })?;
        let window = window_ms(&rules);
        let from = checkpoint.complete().map_or(0, |complete| complete.saturating_sub(window));
        let (files, mut recovered) = (log.files(), Recovered::default());
        let inputs = files.inputs_from(from)?;
        let all = from..u64::MAX;
        recover(&inputs, all, &live.engine, runtime.handle(), &mut recovered, |_| true)?;
        let seconds = began.elapsed().as_secs_f64();
        let (checkpoint_ms, inputs) = (checkpoint.complete(), inputs.len());
        let Recovered { events, rejected, .. } = recovered;
        tracing::info!(seconds, ?checkpoint_ms, inputs, events, rejected, "recovered");

        let junction = Junction::default();
        let mut tee = Tee::new(live.engine.clone(), &junction);
        let log = log.not_before(checkpoint.complete().unwrap_or(0));
        let now = config.clock.now();
        let sealing = health.part("archive");
        let log = log.start(sealing, move |delivery| tee.take(delivery))?;
        // Whoever reads from then on reads all that the log held, and no engine that has yet to come from
        // there to the present is taken for one that is behind.
        let present = recovered.clock.max(now.saturating_sub(TICK_MS));
        runtime.block_on(live.engine.reached(present)).unwrap_or_default();
        app.start(log.clone());
        let source = source.map(|source| {
            let (letters, rules) = (dead_letters.clone(), live.engine.rules_changing());
            let sinks = Sinks { log: log.clone(), letters, rules };
            runtime.spawn(source.run(sinks, health.part("source"), stop.subscribe()))
        });
        tracing::info!("ready");

        let clock = config.clock.clone();
        let uploads =
            bucket.map(|bucket| Uploads::new(bucket, config.history_acl, health.part("history")));
        let publisher = Publisher::new(live.engine.clone(), served, uploads, objects, clock);
        let (published, last) = watch::channel(false);
        let publisher = runtime.spawn(publisher.run(last));
        let courier = Courier::new(dead_letters, archive);
        let (bringing, courier_stops) = mpsc::channel();
        let thread = thread::Builder::new().name("courier".to_owned());
        let courier = thread.spawn(move || courier.run(&courier_stops))?;
        if config.rebuild && checkpoint.complete().is_some() {
            rebuilds.renew(config.rules.unwrap_or(rules));
        }
        let (saving, saver_stops) = mpsc::channel();
        let (engine, unsaved) = (live.engine.clone(), Arc::clone(&live.unsaved));
        let saver = Arc::new(Mutex::new(Saver { checkpoint, engine, unsaved }));
        let live = Arc::new(Mutex::new(live));
        let rebuilder = Rebuilder {
            rebuilds: rebuilds.clone(),
            live: Arc::clone(&live),
            saver: Arc::clone(&saver),
            junction,
            log: log.clone(),
            files,
            bans,
            checkpoint: config.data.join(CHECKPOINT),
            data: config.data,
            checkpoint_every: config.checkpoint_every,
            workers: config.workers,
            runtime: runtime.handle().clone(),
        };
        let thread = thread::Builder::new().name("rebuilder".to_owned());
        let rebuilder = thread.spawn(move || rebuilder.run())?;
        let (every, clock) = (config.checkpoint_every, config.clock);
        let thread = thread::Builder::new().name("saver".to_owned());
        let saver = thread.spawn(move || saver::run(&saver, every, &clock, &saver_stops))?;
        Ok(Running {
            live,
            rebuilds,
            rebuilder,
            source,
            log,
            stop,
            server,
            published,
            publisher,
            courier,
            bringing,
            saver,
            saving,
            runtime,
            directory,
        })
    }
}

/// A service that takes events and answers.
pub struct Running {
    live: Arc<Mutex<Live>>,
    rebuilds: Rebuilds,
    rebuilder: JoinHandle<()>,
    source: Option<tokio::task::JoinHandle<()>>,
    log: Log<Events>,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
    published: watch::Sender<bool>,
    publisher: tokio::task::JoinHandle<()>,
    courier: JoinHandle<()>,
    bringing: Sender<()>,
    saver: JoinHandle<()>,
    saving: Sender<()>,
    runtime: Runtime,
    directory: Directory,
}

impl Running {
    /// Stops in order: running requests end, a rebuild is given up, and so does the source, the log is
    /// committed, what is complete is published and saved, the engine ends.
    pub fn stop(self) {
        let Self { live, log, stop, server, runtime, .. } = self;
        stop.send_replace(true);
        self.rebuilds.stop();
        // One that takes the place of what runs comes to its end first; none does any more after that.
        let engine = live.lock().unwrap_or_else(PoisonError::into_inner).engine.clone();
        runtime.block_on(server).unwrap_or_default();
        if let Some(source) = self.source {
            runtime.block_on(source).unwrap_or_default();
        }
        log.close();
        runtime.block_on(engine.settled()).unwrap_or_default();
        self.published.send_replace(true);
        runtime.block_on(self.publisher).unwrap_or_default();
        drop(self.bringing);
        self.courier.join().unwrap_or_default();
        drop(self.saving);
        self.saver.join().unwrap_or_default();
        // It may hang in a store's call, and then ends with the process.
        if self.rebuilder.is_finished() {
            self.rebuilder.join().unwrap_or_default();
        }
        drop(live);
        drop(self.directory);
        // What hangs in the store's calls is given up.
        runtime.shutdown_background();
        tracing::info!("stopped");
    }
}
