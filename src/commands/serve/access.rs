//! Who may call a service, over what, and how often.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use tokio_rustls::rustls::ServerConfig;
use tracing::warn;

use crate::commands::key::KeySource;
use crate::serve::auth::{Auth, check_bind};
use crate::serve::limits::Limits;
use crate::serve::origin::Origin;
use crate::serve::tls;

/// Who may call.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// Whether clients need tokens; off is for loopback addresses alone
    #[arg(long, env = "VELODROME_AUTH", default_value = "on")]
    auth: Switch,
    #[command(flatten)]
    keys: KeySource,
    /// Origin whose web pages may call, such as https://app.example.com; repeat it for several
    #[arg(long, env = "VELODROME_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) cors_origin: Vec<Origin>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// TLS, where the service speaks it itself.
#[derive(Debug, clap::Args)]
pub(super) struct Tls {
    /// PEM file of the certificate, with those that it rests on behind it
    #[arg(long, env = "VELODROME_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key
    #[arg(long, env = "VELODROME_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// What each client may take of the service: an address of IPv4, a network of /64 of IPv6.
#[derive(Debug, clap::Args)]
pub(super) struct Clients {
    /// Events a second that are taken of each client
    #[arg(long, env = "VELODROME_CLIENT_RATE", value_name = "N",
        default_value_t = Limits::default().client_events_per_second)]
    client_rate: NonZeroU32,
    /// Requests a second that are answered to each client
    #[arg(long, env = "VELODROME_CLIENT_REQUESTS", value_name = "N",
        default_value_t = Limits::default().client_requests_per_second)]
    client_requests: NonZeroU32,
    /// Streams that each client may follow at a time
    #[arg(long, env = "VELODROME_CLIENT_STREAMS", value_name = "N",
        default_value_t = Limits::default().client_streams)]
    client_streams: NonZeroUsize,
}

impl Access {
    /// Who may call at `listen`.
    pub(super) fn auth(&self, listen: SocketAddr) -> anyhow::Result<Auth> {
        let auth = match self.auth {
            Switch::Off => Auth::Off,
            Switch::On => Auth::On(self.keys.load()?.context(
                "tokens need a key: make one with 'velodrome key FILE' and give it as --key-file, or \
                 serve with --auth off on a loopback address",
            )?),
        };
        check_bind(listen, &auth)?;
        Ok(auth)
    }
}

impl Tls {
    /// How to speak TLS at `listen`, where that is asked for.
    pub(super) fn load(&self, listen: SocketAddr) -> anyhow::Result<Option<Arc<ServerConfig>>> {
        // That there are both or none is clap's to see to.
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Ok(Some(tls::load(cert, key)?));
        }
        if !listen.ip().to_canonical().is_loopback() {
            warn!(
                %listen,
                "tokens and data travel in clear unless a proxy in front speaks TLS; give --tls-cert \
                 and --tls-key"
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
