//! Reports calls that get no response.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::bucket::S3;

/// How long a call may take before it is reported. S3 responds within a second.
const PATIENCE: Duration = Duration::from_secs(5);

impl S3 {
    /// Waits for `call`, which is to `action` the key. Warns once if there is no response after some
    /// seconds. The call itself fails after its timeouts and retries.
    pub(super) async fn report_silence<T>(
        &self,
        action: &str,
        key: &str,
        call: impl Future<Output = T>,
    ) -> T {
        let mut call = pin!(call);
        if let Ok(response) = timeout(PATIENCE, &mut call).await {
            return response;
        }
        tracing::warn!(
            "no response for {} s to the request to {action} '{}' in the region '{}'; still trying; \
             check the network and --endpoint-url",
            PATIENCE.as_secs(),
            self.full_name(key),
            self.region,
        );
        call.await
    }
}
