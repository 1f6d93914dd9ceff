//! A service that listens but has not started: all components are open, and the engine is empty.

use std::net::SocketAddr;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::checkpoint_file;
use super::config::Config;
use super::data_directory::DataDirectory;
use super::engine_state::EngineState;
use super::error::ServiceError;
use super::event_input::EventInput;
use super::handles::ServiceHandles;
use super::http_server::{self, HttpServer};
use super::service_clock;
use super::stores::Stores;
use crate::cluster::Status;
use crate::dead_letters::DeadLetterQueue;
use crate::health::Health;
use crate::lazy_aws::LazyAws;
use crate::open_files::FileBudget;
use crate::publish::HistoryObjects;
use crate::rebuild_requests::RebuildRequests;

/// The lag of a cluster's engine above which a node accepts no more events. Until a node that is silent or hangs ends
/// the generation, all others lag, and must accept events: 5 s or 10 s, see `cluster::control` and `cluster_node`.
const LAG_MAX: Duration = Duration::from_secs(12);

/// A service that listens but has not started. It answers every request with 503 `starting` until
/// [`Service::start`].
pub struct Service {
    pub(super) config: Config,
    pub(super) address: SocketAddr,
    pub(super) stores: Stores,
    pub(super) input: EventInput,
    pub(super) engine: EngineState,
    pub(super) handles: ServiceHandles,
    pub(super) server: HttpServer,
    /// Set to true at shutdown: ends the server, the streams and the source.
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) runtime: Runtime,
    pub(super) directory: DataDirectory,
}

impl Service {
    /// Locks the data directory, opens everything in it, and listens.
    ///
    /// # Errors
    /// When a component cannot be opened; the error names it. When `config.stop` is true.
    pub fn listen(mut config: Config, metrics: PrometheusHandle) -> Result<Self, ServiceError> {
        let budget = FileBudget::new(config.serve.limits.connections_max)?;
        config.serve.limits.connections_max = budget.connections;
        if config.cluster.is_some() {
            config.serve.limits.lag_max = LAG_MAX;
        }
        let directory = DataDirectory::lock(&config.data)?;
        directory.claim(config.accept_damage)?;
        let checkpoint = checkpoint_file::open(&config)?;
        config.check_stop()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let lazy_aws = LazyAws::new(config.endpoint.clone(), runtime.handle().clone());
        let stores = Stores::open(&config, &lazy_aws)?;
        config.check_stop()?;
        let input = EventInput::open(&mut config, &stores, &lazy_aws, checkpoint.rules())?;
        config.check_stop()?;
        service_clock::start(&config, input.log.last_arrival().max(checkpoint.complete()))?;
        let engine = EngineState::start(&config, checkpoint)?;

        let (listener, address) = http_server::bind(&config, &runtime)?;
        let handles = open_handles(&config, &stores, &engine, &runtime, budget)?;
        let (shutdown, stopped) = watch::channel(false);
        let server =
            HttpServer::start(listener, &config, &engine, &handles, metrics, &runtime, stopped);
        Ok(Self {
            config,
            address,
            stores,
            input,
            engine,
            handles,
            server,
            shutdown,
            runtime,
            directory,
        })
    }

    /// The URL of the service.
    pub fn url(&self) -> String {
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

fn open_handles(
    config: &Config,
    stores: &Stores,
    engine: &EngineState,
    runtime: &Runtime,
    budget: FileBudget,
) -> Result<ServiceHandles, ServiceError> {
    let health = Health::default();
    let dead_letters = DeadLetterQueue::open(&config.data, config.clock.clone(), &health)?;
    // Published objects can contain racers who have been banned since. Serve them before the next
    // publication only if there are no bans.
    let has_no_bans = runtime.block_on(engine.bans.racers()).is_empty();
    let as_of = has_no_bans.then_some(0);
    let objects = HistoryObjects::open(&stores.served_history, as_of, budget.downloads);
    let rebuilds = RebuildRequests::default();
    let status = |cluster| Status::new(health.component("cluster"), cluster);
    let cluster = config.cluster.as_ref().map(status);
    Ok(ServiceHandles { health, dead_letters, objects, rebuilds, cluster })
}
