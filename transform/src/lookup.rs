//! Reads: from the message store to a Patient.

use axum::{http::StatusCode, response::Response};
use message_store::PatientKey;

use crate::{
    envelope,
    error::HookError,
    hook::Hook,
    record::{self, Record},
};

/// `GET …/Patient/{id}`: 404 for an unknown and for a deleted patient (the router of FHIR Works on AWS makes a 500 of a
/// 410), 503 when the store cannot say.
pub(crate) async fn patient(hook: &Hook, patient: &PatientKey) -> Result<Response, HookError> {
    match record::read(hook.store(), hook.mapping(), patient).await? {
        Record::Patient { resource, version } => {
            Ok(envelope::patient(StatusCode::OK, resource, version.as_ref()))
        }
        Record::Deleted | Record::Unknown => Err(HookError::NotFound { id: patient.id().to_owned() }),
    }
}
