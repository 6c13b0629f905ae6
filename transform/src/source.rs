//! Reading resources back from the server that only named them.

use std::sync::Arc;

use message_store::PatientKey;

use crate::{error::HookError, hook::Hook};

/// A resource that was named in a notification and not sent with it.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "read by the job that reads back")]
pub(crate) struct ReadBack {
    /// Where the notification says it is: a FHIR base such as `https://fhir.example.org/r4`. `None`: it does not say.
    pub(crate) base: Option<String>,
    /// Which patient.
    pub(crate) patient: PatientKey,
    /// The version that is there at least, if it was told.
    pub(crate) version_id: Option<String>,
    /// W3C trace context of the notification.
    pub(crate) traceparent: String,
}

impl Hook {
    /// Takes note of resources to read back. Answers once that is durable.
    ///
    /// # Errors
    /// [`HookError::NoSource`] when no source is configured, [`HookError::ForeignSource`] for a base that is not on the
    /// list.
    pub(crate) async fn read_back(self: &Arc<Self>, jobs: Vec<ReadBack>) -> Result<(), HookError> {
        if jobs.is_empty() { Ok(()) } else { Err(HookError::NoSource) }
    }

    /// Takes note that something changed that was not named: what is newer than the last catch-up is searched for.
    ///
    /// # Errors
    /// [`HookError::NoSource`] when no source is configured.
    pub(crate) async fn catch_up(self: &Arc<Self>, _traceparent: &str) -> Result<(), HookError> {
        Err(HookError::NoSource)
    }
}
