//! Why a call for a stream failed.

use std::fmt;

use thiserror::Error;

use crate::aws::CLOCK_REMEDY;

/// A stream's name and region, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLabel {
    pub(super) name: String,
    pub(super) region: String,
}

impl fmt::Display for StreamLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream '{}' in region '{}'", self.name, self.region)
    }
}

/// Why a call for a stream failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// The stream, or the shard in the call, does not exist.
    #[error("no such {stream}: {reason}; create it, or set AWS_REGION to its region")]
    NotFound {
        /// The stream.
        stream: StreamLabel,
        /// AWS's code and message.
        reason: String,
    },
    /// The credentials do not allow the call.
    #[error(
        "no permission for kinesis:{call} on {stream}: {reason}; allow it, or use other credentials"
    )]
    Denied {
        /// The call.
        call: &'static str,
        /// The stream.
        stream: StreamLabel,
        /// AWS's code and message.
        reason: String,
    },
    /// Too many calls, or too much data.
    #[error("kinesis:{call} on {stream} is throttled: {reason}")]
    Throttled {
        /// The call.
        call: &'static str,
        /// The stream.
        stream: StreamLabel,
        /// AWS's code and message.
        reason: String,
    },
    /// No connection, or no response in time.
    #[error("cannot reach Kinesis for {stream}: {reason}; check the network and --endpoint-url")]
    Unreachable {
        /// The stream.
        stream: StreamLabel,
        /// What happened.
        reason: String,
    },
    /// The clock of this machine differs too much from that of AWS.
    #[error("kinesis:{call} on {stream} is rejected: {reason}; {CLOCK_REMEDY}")]
    ClockSkew {
        /// The call.
        call: &'static str,
        /// The stream.
        stream: StreamLabel,
        /// AWS's code and message.
        reason: String,
    },
    /// The stream's KMS key cannot be used.
    #[error(
        "kinesis:{call} cannot use the KMS key of {stream}: {reason}; enable the key, and allow \
         kms:Decrypt to read and kms:GenerateDataKey to write"
    )]
    Encryption {
        /// The call.
        call: &'static str,
        /// The stream.
        stream: StreamLabel,
        /// AWS's code and message.
        reason: String,
    },
    /// Any other reason.
    #[error("kinesis:{call} on {stream} failed: {reason}")]
    Failed {
        /// The call.
        call: &'static str,
        /// The stream.
        stream: StreamLabel,
        /// AWS's code and message.
        reason: String,
    },
}

impl StreamError {
    /// Whether a retry of the call cannot succeed.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Denied { .. }
            | Self::ClockSkew { .. }
            | Self::Encryption { .. } => true,
            Self::Throttled { .. } | Self::Unreachable { .. } | Self::Failed { .. } => false,
        }
    }
}
