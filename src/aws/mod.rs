//! AWS: credentials, region and endpoint of all its services, and what their errors mean to people.
//!
//! Calls block, on a runtime that is given; so they are for threads that are no runtime's own.

mod backoff;
mod error;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::service_config::ServiceConfigKey;
use thiserror::Error;
use tokio::runtime::Handle;

pub use backoff::backoff;
pub use error::{Fault, describe};

/// How long a connection may take to be made: longer on no healthy network.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin; objects are up to some 100 MB, which are written before it.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a call is tried that fails for a reason that passes, the waits between growing.
const ATTEMPTS: u32 = 4;

/// AWS that cannot be used.
#[derive(Debug, Error)]
pub enum AwsError {
    /// No region is configured.
    #[error(
        "no AWS region is set; set AWS_REGION, such as AWS_REGION=us-east-1, or 'region' in the profile"
    )]
    NoRegion,
    /// No credentials can be had, for this reason.
    #[error(
        "no AWS credentials: {0}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in \
         AWS_PROFILE, or give the machine a role"
    )]
    NoCredentials(String),
}

/// The way to AWS; clones share connections and credentials.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    runtime: Handle,
}

impl Aws {
    /// Finds region and credentials where AWS' own tools find them, and goes to `endpoint` instead of AWS
    /// where one is given; calls run on `runtime`.
    ///
    /// # Errors
    /// No region, no credentials.
    pub fn load(endpoint: Option<&str>, runtime: &Handle) -> Result<Self, AwsError> {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Builder::new().tls_provider(tls).build_https())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().build())
            .timeout_config(timeouts.build());
        let loader = match endpoint {
            Some(endpoint) => loader.endpoint_url(endpoint),
            None => loader,
        };
        let config = runtime.block_on(loader.load());
        if config.region().is_none_or(|region| region.as_ref().is_empty()) {
            return Err(AwsError::NoRegion);
        }
        let none = || AwsError::NoCredentials("no provider".to_owned());
        let provider = config.credentials_provider().ok_or_else(none)?;
        let credentials = runtime.block_on(provider.provide_credentials());
        credentials.map_err(|error| {
            // Each provider has a line behind the first one, of what it was not given.
            let reason = error::innermost(&error);
            let first = reason.lines().next().unwrap_or_default();
            AwsError::NoCredentials(first.trim_end_matches(". Attempted:").to_owned())
        })?;
        Ok(Self::new(config, runtime))
    }

    /// Goes by `config`, which has a region and credentials; calls run on `runtime`.
    pub fn new(config: SdkConfig, runtime: &Handle) -> Self {
        Self { config, runtime: runtime.clone() }
    }

    /// What clients of its services are made with.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Whether one of its services, such as `S3`, is asked elsewhere than at AWS.
    pub fn has_endpoint(&self, service: &str) -> bool {
        let variable = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
        let key = ServiceConfigKey::builder().service_id(service).env(&variable);
        let key = key.profile("endpoint_url").build();
        let of_service = || self.config.service_config()?.load_config(key.ok()?);
        self.config.endpoint_url().is_some() || of_service().is_some()
    }

    /// Where its calls run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The region, as people call it.
    pub fn region(&self) -> &str {
        self.config.region().map_or("none", |region| region.as_ref())
    }
}
