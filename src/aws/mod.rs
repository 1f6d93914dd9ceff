//! AWS access: credentials, region and endpoint for all its services, and the meaning of their errors.
//!
//! Calls block on a given runtime, so make them only from threads that do not belong to a runtime.

mod backoff;
mod error;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::service_config::ServiceConfigKey;
use thiserror::Error;
use tokio::runtime::Handle;

pub use backoff::backoff;
pub use error::{CLOCK_REMEDY, ErrorKind, describe};

/// The time allowed to open a connection. A healthy network never needs longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time allowed until a response begins. It includes the upload of the request, up to some 100 MB.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts per call, the first one included, for errors that may pass. The SDK backs off between them.
const ATTEMPTS: u32 = 4;

/// Why AWS cannot be used.
#[derive(Debug, Error)]
pub enum AwsError {
    /// No region is configured.
    #[error(
        "no AWS region is set; set AWS_REGION, such as AWS_REGION=us-east-1, or 'region' in the profile"
    )]
    NoRegion,
    /// No credentials were found, for this reason.
    #[error(
        "no AWS credentials: {0}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in \
         AWS_PROFILE, or give the machine a role"
    )]
    NoCredentials(String),
    /// The profile uses SSO, and nobody is logged in, for this reason.
    #[error("no AWS credentials: {0}; run aws sso login")]
    NoLogin(String),
}

impl AwsError {
    /// The error of a failed attempt to get credentials.
    fn credentials(error: &CredentialsError) -> Self {
        let reason = error::causes(error);
        // The SDK has no public type for these errors.
        match ["SSO", "sso/cache", "UnauthorizedException"].iter().any(|part| reason.contains(part))
        {
            true => Self::NoLogin(reason),
            false => Self::NoCredentials(reason),
        }
    }
}

/// Access to AWS. Clones share connections and credentials.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    runtime: Handle,
}

impl Aws {
    /// Loads region and credentials from the same places as the AWS command line.
    ///
    /// Calls go to `endpoint` instead of AWS if it is given, and run on `runtime`.
    ///
    /// # Errors
    /// No region is set, or no credentials are found.
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
        credentials.map_err(|error| AwsError::credentials(&error))?;
        Ok(Self::new(config, runtime))
    }

    /// Uses `config`, which must have a region and credentials. Calls run on `runtime`.
    pub fn new(config: SdkConfig, runtime: &Handle) -> Self {
        Self { config, runtime: runtime.clone() }
    }

    /// The configuration to create service clients from.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Whether an endpoint other than AWS is configured for `service`, such as `S3`.
    pub fn has_endpoint(&self, service: &str) -> bool {
        let variable = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
        let key = ServiceConfigKey::builder().service_id(service).env(&variable);
        let key = key.profile("endpoint_url").build();
        let of_service = || self.config.service_config()?.load_config(key.ok()?);
        self.config.endpoint_url().is_some() || of_service().is_some()
    }

    /// The runtime that calls run on.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// The name of the region, such as `us-east-1`; `none` without one.
    pub fn region(&self) -> &str {
        self.config.region().map_or("none", |region| region.as_ref())
    }
}
