//! The configuration of the AWS clients, loaded at first use.

use tokio::runtime::Handle;

#[cfg(feature = "aws")]
use crate::aws::{Aws, AwsError};
#[cfg(feature = "aws")]
use std::sync::{Mutex, PoisonError};

/// Loads the region and the credentials for AWS when they are first needed, so a command that uses no
/// AWS service needs neither. A build without the feature `aws` never loads them.
#[derive(Debug)]
pub struct LazyAws {
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only used with AWS"))]
    endpoint: Option<String>,
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only used with AWS"))]
    runtime: Handle,
    #[cfg(feature = "aws")]
    aws: Mutex<Option<Aws>>,
}

impl LazyAws {
    /// A configuration that is not loaded yet. `endpoint` replaces the URLs of AWS. Calls run on
    /// `runtime`.
    pub fn new(endpoint: Option<String>, runtime: Handle) -> Self {
        Self {
            endpoint,
            runtime,
            #[cfg(feature = "aws")]
            aws: Mutex::new(None),
        }
    }

    /// The configuration. The first call loads it; later calls return the same.
    ///
    /// # Errors
    /// If there is no region, or there are no credentials.
    #[cfg(feature = "aws")]
    pub fn get(&self) -> Result<Aws, AwsError> {
        let mut loaded = self.aws.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Some(aws) => Ok(aws.clone()),
            None => Ok(loaded.insert(Aws::load(self.endpoint.as_deref(), &self.runtime)?).clone()),
        }
    }
}
