//! The HTTP server of a service.

use std::net::SocketAddr;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::Config;
use super::engine_state::EngineState;
use super::error::ServiceError;
use super::handles::ServiceHandles;
use crate::serve::tls::Certificate;
use crate::serve::{self, App, AppParts};

/// A running HTTP server. It answers 503 `starting` until `app` is started.
pub(super) struct HttpServer {
    pub(super) app: App,
    /// The server task. It ends after shutdown, once the requests in progress have ended.
    pub(super) task: JoinHandle<()>,
}

/// Binds the service's address. Returns the listener and the bound address, with the actual port.
pub(super) fn bind(
    config: &Config,
    runtime: &Runtime,
) -> Result<(TcpListener, SocketAddr), ServiceError> {
    let listener = runtime.block_on(async { serve::server::listen(config.listen) });
    let listener = listener.map_err(|error| ServiceError::Listen(config.listen, error))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl HttpServer {
    /// Serves on `listener` until `shutdown` is true.
    pub(super) fn start(
        listener: TcpListener,
        config: &Config,
        engine: &EngineState,
        handles: &ServiceHandles,
        metrics: PrometheusHandle,
        runtime: &Runtime,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let app = App::new(app_parts(engine, handles), config.serve.clone());
        let router = serve::router(app.clone(), metrics);
        let (proxies, limits) = (config.serve.proxies.clone(), config.serve.limits);
        runtime.spawn(app.clone().run_streams(shutdown.clone()));
        let tls = config.tls.as_ref().map(Certificate::config);
        let server = serve::server::serve(listener, tls, router, proxies, limits, shutdown);
        Self { app, task: runtime.spawn(server) }
    }
}

fn app_parts(engine: &EngineState, handles: &ServiceHandles) -> AppParts {
    let handles = handles.clone();
    let lagging = engine.running.engine.clone();
    AppParts {
        engine: engine.running.engine.clone(),
        lag: Box::new(move || lagging.lag()),
        dead_letters: handles.dead_letters,
        health: handles.health,
        objects: handles.objects,
        bans: engine.bans.clone(),
        rebuilds: handles.rebuilds,
        cluster: handles.cluster,
    }
}
