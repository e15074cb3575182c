//! Work for a thread that waits for a response.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::limits::call_limits::StopReason;

/// A connection on which a response is expected.
pub(crate) trait AwaitedInput: Send + Sync {
    /// Returns `true` if data has arrived that was not read yet.
    fn has_input(&self) -> bool;
}

type Hook = dyn Fn(&Arc<dyn AwaitedInput>) -> Result<Option<Instant>, StopReason> + Send + Sync;

/// Work for a thread that waits for a response. The transport runs it before each wait.
#[derive(Clone)]
pub(crate) struct WaitHook(Arc<Hook>);

impl WaitHook {
    /// Creates a hook. It returns the time at which to interrupt the wait and run the hook again,
    /// or an error to end the wait.
    pub(crate) fn new(
        hook: impl Fn(&Arc<dyn AwaitedInput>) -> Result<Option<Instant>, StopReason>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(hook))
    }

    /// Runs the hook before a wait for data of this connection.
    #[cfg(feature = "ureq")]
    pub(crate) fn run(&self, input: &Arc<dyn AwaitedInput>) -> Result<Option<Instant>, StopReason> {
        self.0(input)
    }
}

impl fmt::Debug for WaitHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitHook")
    }
}
