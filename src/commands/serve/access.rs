//! Arguments that say who may call a service, over which protocol, and how often.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use tracing::warn;

use crate::commands::key::KeyArgs;
use crate::commands::parse;
use crate::serve::auth::{Auth, check_bind};
use crate::serve::limits::Limits;
use crate::serve::origin::Origin;
use crate::serve::proxies::{ProxyNetwork, TrustedProxies};
use crate::serve::tls::Certificate;

/// Who may call the service.
#[derive(Debug, clap::Args)]
pub(super) struct AccessArgs {
    /// Whether requests need a token; "off" is only possible on a loopback address
    #[arg(long, env = "VELODROME_AUTH", default_value = "on")]
    auth: Switch,
    #[command(flatten)]
    keys: KeyArgs,
    /// Origin of web pages that may call the service, such as https://app.example.com
    ///
    /// Repeat the option for several origins. In the environment variable they are separated by commas.
    #[arg(long, env = "VELODROME_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) cors_origin: Vec<Origin>,
    /// Address or network of a proxy, such as 10.0.0.0/8, whose headers say which client sent a request
    ///
    /// The client is the right-most address in X-Forwarded-For, or in Forwarded, that is not such a proxy.
    /// Repeat the option for several networks. In the environment variable they are separated by commas.
    #[arg(long, env = "VELODROME_PROXY_FROM", value_name = "CIDR", value_delimiter = ',')]
    proxy_from: Vec<ProxyNetwork>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// The TLS certificate.
#[derive(Debug, clap::Args)]
pub(super) struct TlsArgs {
    /// PEM file of the TLS certificate, followed by its intermediate certificates
    ///
    /// Without a certificate the service speaks plain HTTP.
    #[arg(long, env = "VELODROME_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file of the private key of the TLS certificate
    #[arg(long, env = "VELODROME_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// The limits of each client. A client is an IPv4 address, or a /64 network of IPv6.
#[derive(Debug, clap::Args)]
pub(super) struct ClientLimitArgs {
    /// Maximum number of events per second from each client
    ///
    /// A client is an IPv4 address, or a /64 network of IPv6. Behind a proxy all clients count as one,
    /// unless --proxy-from names the proxy.
    #[arg(long, env = "VELODROME_CLIENT_RATE", value_name = "N", value_parser = parse::rate,
        default_value_t = Limits::default().client_events_per_second)]
    client_rate: NonZeroU32,
    /// Maximum number of requests per second from each client
    #[arg(long, env = "VELODROME_CLIENT_REQUESTS", value_name = "N", value_parser = parse::rate,
        default_value_t = Limits::default().client_requests_per_second)]
    client_requests: NonZeroU32,
    /// Maximum number of streams that each client may follow at the same time
    #[arg(long, env = "VELODROME_CLIENT_STREAMS", value_name = "N", value_parser = parse::count,
        default_value_t = Limits::default().client_streams)]
    client_streams: NonZeroUsize,
    /// Seconds that a connection stays open between two requests, 1 to 3600
    ///
    /// Give more than the idle timeout of a load balancer in front of the service.
    #[arg(long, env = "VELODROME_KEEP_ALIVE_SECONDS", value_name = "N",
        value_parser = parse::whole_number(1_u64, 3_600),
        default_value_t = Limits::default().keep_alive.as_secs())]
    keep_alive_seconds: u64,
}

impl AccessArgs {
    /// The proxies that the service trusts.
    pub(super) fn proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.proxy_from.clone())
    }

    /// Who may call a service that listens on `listen`.
    pub(super) fn auth(&self, listen: SocketAddr) -> anyhow::Result<Auth> {
        let auth = match self.auth {
            Switch::Off => Auth::Off,
            Switch::On => Auth::On(self.keys.load()?.context(
                "tokens need a key: create one with 'velodrome key FILE' and give it as --key-file, or \
                 serve with --auth off on a loopback address",
            )?),
        };
        check_bind(listen, &auth)?;
        Ok(auth)
    }
}

impl TlsArgs {
    /// The certificate, if one is given. Warns about plain HTTP on `listen`.
    pub(super) fn load(&self, listen: SocketAddr) -> anyhow::Result<Option<Certificate>> {
        // clap requires both or neither.
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Ok(Some(Certificate::load(cert, key)?));
        }
        if !listen.ip().to_canonical().is_loopback() {
            warn!(
                %listen,
                "tokens and data are not encrypted unless a proxy terminates TLS; give --tls-cert \
                 and --tls-key"
            );
        }
        Ok(None)
    }
}

impl ClientLimitArgs {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            client_events_per_second: self.client_rate,
            client_requests_per_second: self.client_requests,
            client_streams: self.client_streams,
            keep_alive: Duration::from_secs(self.keep_alive_seconds),
            ..Limits::default()
        }
    }
}
