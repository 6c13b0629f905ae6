//! Reads: from the message store to a Patient.

use message_store::PatientKey;

use crate::{
    error::HookError,
    hook::Hook,
    record::{self, Record},
};

/// The state of a patient, within the time for a request.
///
/// # Errors
/// 503 when the store cannot say, never 404: that would read as "there is no such patient".
pub(crate) async fn patient(hook: &Hook, patient: &PatientKey) -> Result<Record, HookError> {
    let mapping = hook.mapping();
    let read = record::read(hook.store(), &mapping, patient);
    tokio::time::timeout(hook.request_timeout(), read).await.unwrap_or(Err(HookError::ReadTimeout))
}
