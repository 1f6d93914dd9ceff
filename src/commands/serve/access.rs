//! Access to a service: tokens, TLS, and limits for each client.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use tokio_rustls::rustls::ServerConfig;
use tracing::warn;

use crate::commands::key::KeyArgs;
use crate::serve::auth::{Auth, check_bind};
use crate::serve::limits::Limits;
use crate::serve::origin::Origin;
use crate::serve::tls;

/// Tokens and origins.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Whether clients need tokens; off is allowed on loopback addresses only
    #[arg(long, env = "VELODROME_AUTH", default_value = "on")]
    auth: Switch,
    #[command(flatten)]
    keys: KeyArgs,
    /// Origin whose web pages may call the service, such as https://app.example.com; can be repeated
    #[arg(long, env = "VELODROME_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) cors_origin: Vec<Origin>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// TLS of the service itself.
#[derive(Debug, clap::Args)]
pub(super) struct Tls {
    /// PEM file of the certificate, followed by its intermediate certificates
    #[arg(long, env = "VELODROME_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the private key of the certificate
    #[arg(long, env = "VELODROME_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// Limits for each client. A client is an IPv4 address or an IPv6 /64 network.
#[derive(Debug, clap::Args)]
pub(super) struct Clients {
    /// Maximum number of events per second from each client
    #[arg(long, env = "VELODROME_CLIENT_RATE", value_name = "N",
        default_value_t = Limits::default().client_events_per_second)]
    client_rate: NonZeroU32,
    /// Maximum number of requests per second from each client
    #[arg(long, env = "VELODROME_CLIENT_REQUESTS", value_name = "N",
        default_value_t = Limits::default().client_requests_per_second)]
    client_requests: NonZeroU32,
    /// Maximum number of open streams of each client
    #[arg(long, env = "VELODROME_CLIENT_STREAMS", value_name = "N",
        default_value_t = Limits::default().client_streams)]
    client_streams: NonZeroUsize,
}

impl Access {
    /// The authentication of a service that listens on `listen`.
    ///
    /// # Errors
    /// No key; an address that requires tokens.
    pub(super) fn auth(&self, listen: SocketAddr) -> anyhow::Result<Auth> {
        let auth = match self.auth {
            Switch::Off => Auth::Off,
            Switch::On => Auth::On(self.keys.load()?.context(
                "there is no key to verify tokens with; create one with 'velodrome key FILE' and give it as \
                 --key-file, or use --auth off on a loopback address",
            )?),
        };
        check_bind(listen, &auth)?;
        Ok(auth)
    }
}

impl Tls {
    /// The TLS configuration, if certificate and key are given.
    pub(super) fn load(&self, listen: SocketAddr) -> anyhow::Result<Option<Arc<ServerConfig>>> {
        // clap accepts both or none.
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Ok(Some(tls::load(cert, key)?));
        }
        if !listen.ip().to_canonical().is_loopback() {
            warn!(
                %listen,
                "without TLS, tokens and data are sent in clear text; give --tls-cert and --tls-key, or use \
                 a proxy with TLS"
            );
        }
        Ok(None)
    }
}

impl Clients {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            client_events_per_second: self.client_rate,
            client_requests_per_second: self.client_requests,
            client_streams: self.client_streams,
            ..Limits::default()
        }
    }
}
