//! The `[hook.backfill]` section.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How history is taken in beside what happens now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackfillConfig {
    /// Patients per second, all backfills together.
    pub rate: u32,
    /// Patients at once. Live requests go first: a backfill pauses while one is in flight, a second at most.
    pub at_once: usize,
    /// The most messages that may wait in the queue before a backfill pauses: a live message waits behind no more.
    pub max_queued: u64,
}

impl Default for BackfillConfig {
    fn default() -> Self {
        Self { rate: 500, at_once: 32, max_queued: 2000 }
    }
}

impl BackfillConfig {
    /// What serde cannot check.
    ///
    /// # Errors
    /// [`Error::Config`], naming the setting.
    pub fn check(&self) -> Result<(), Error> {
        if self.rate == 0 || self.at_once == 0 || self.max_queued == 0 {
            return Err(Error::Config { setting: "hook.backfill", reason: "must not be zero" });
        }
        Ok(())
    }
}
