//! The hook's side: what a notification asks for, and where what was read goes.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode};
use message_store::PatientKey;
use serde_json::{Map, Value};

use super::{SourceError, WriteFault, Writer};
use crate::{error::HookError, hook::Hook, routes::Surface, told::Told, write::Verb};

/// A resource that was named in a notification and not sent with it.
#[derive(Clone, Debug)]
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
    /// list: then nothing is noted. [`HookError::Store`] when the store is away; the notification may be sent again.
    pub(crate) async fn read_back(self: &Arc<Self>, wanted: Vec<ReadBack>) -> Result<(), HookError> {
        let sources = self.sources();
        let found = |wanted: &ReadBack| sources.of_base(wanted.base.as_deref(), &wanted.patient).map(drop);
        wanted.iter().try_for_each(found)?;
        for wanted in wanted {
            sources.read_back(wanted).await?;
        }
        Ok(())
    }

    /// Takes note that something changed that was not named: what is newer than the last catch-up is searched for, at
    /// every source.
    ///
    /// # Errors
    /// [`HookError::NoSource`] when no source is configured, [`HookError::Store`] when the store is away.
    pub(crate) async fn catch_up(self: &Arc<Self>, traceparent: &str) -> Result<(), HookError> {
        Ok(self.sources().catch_up(traceparent).await?)
    }
}

impl From<SourceError> for HookError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::None => Self::NoSource,
            SourceError::NotAllowed { host } => Self::ForeignSource { host },
            SourceError::Ambiguous => Self::SourceNotNamed,
            SourceError::Store(error) => Self::Store(error),
        }
    }
}

/// The hook as the end of every read-back.
pub(crate) fn writer(hook: &Arc<Hook>) -> Arc<dyn Writer> {
    Arc::new(HookWriter(Arc::downgrade(hook)))
}

/// Weak: the hook holds its sources.
struct HookWriter(Weak<Hook>);

#[async_trait]
impl Writer for HookWriter {
    async fn write(
        &self,
        patient: PatientKey,
        resource: Map<String, Value>,
        traceparent: Option<&str>,
    ) -> Result<(), WriteFault> {
        let Some(hook) = self.0.upgrade() else { return Err(WriteFault::Later("shutting down".to_owned())) };
        let told = Told::of(&resource);
        let mut write = hook.write(&HeaderMap::new(), Verb::Update, patient, Some(resource.into()));
        write.told = Some(told);
        if let Some(traceparent) = traceparent {
            traceparent.clone_into(&mut write.traceparent);
        }
        let Err(error) = hook.apply(write).await else { return Ok(()) };
        let status = error.answer(Surface::Fhir).status;
        let passes = matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
        let reason = format!("the write was refused: {error}");
        Err(if passes { WriteFault::Later(reason) } else { WriteFault::Refused(reason) })
    }
}

impl fmt::Debug for HookWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookWriter")
    }
}
