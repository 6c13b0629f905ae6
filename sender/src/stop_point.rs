//! Where a test stops the sender as SIGSTOP would: between the check of a lease and the write. Without the feature
//! `stop-points`, which only tests have, there is nothing here that could stop it.

use std::fmt;

#[derive(Clone, Default)]
pub(crate) struct StopPoint {
    #[cfg(feature = "stop-points")]
    hook: Option<std::sync::Arc<dyn Fn() + Send + Sync>>,
}

impl StopPoint {
    #[cfg(feature = "stop-points")]
    pub(crate) fn new(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self { hook: Some(std::sync::Arc::new(hook)) }
    }

    /// The lease was found to cover an exchange, the first byte is next.
    pub(crate) fn reached(&self) {
        #[cfg(feature = "stop-points")]
        if let Some(hook) = &self.hook {
            hook();
        }
    }
}

impl fmt::Debug for StopPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopPoint").finish_non_exhaustive()
    }
}
