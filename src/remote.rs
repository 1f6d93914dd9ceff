//! The way to what is on no disk of this machine: found once, where something needs it.

use tokio::runtime::Handle;

#[cfg(feature = "aws")]
use crate::aws::{Aws, AwsError};
#[cfg(feature = "aws")]
use std::sync::{Mutex, PoisonError};

/// The way to AWS, or to what speaks as it does. It is looked for when it is asked for first, so that
/// who needs none needs no credentials; a build without the feature `aws` has none.
#[derive(Debug)]
pub struct Remote {
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "leads nowhere"))]
    endpoint: Option<String>,
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "leads nowhere"))]
    runtime: Handle,
    #[cfg(feature = "aws")]
    aws: Mutex<Option<Aws>>,
}

impl Remote {
    /// The way to `endpoint` where there is one, else to AWS; calls run on `runtime`.
    pub fn new(endpoint: Option<String>, runtime: Handle) -> Self {
        Self {
            endpoint,
            runtime,
            #[cfg(feature = "aws")]
            aws: Mutex::new(None),
        }
    }

    /// The way, the same one each time.
    ///
    /// # Errors
    /// No region, no credentials.
    #[cfg(feature = "aws")]
    pub fn aws(&self) -> Result<Aws, AwsError> {
        let mut found = self.aws.lock().unwrap_or_else(PoisonError::into_inner);
        match &*found {
            Some(aws) => Ok(aws.clone()),
            None => Ok(found.insert(Aws::load(self.endpoint.as_deref(), &self.runtime)?).clone()),
        }
    }
}
