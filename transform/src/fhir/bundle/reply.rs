//! The answer to a Bundle: one entry for each that was asked.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    answer,
    error::HookError,
    fhir,
    hook::Hook,
    negotiate::{self, Return},
    outcome::operation_outcome,
    routes::Surface,
    write::Outcome,
};

/// `Bundle.entry` of the answer.
pub(crate) struct Reply(Value);

impl Reply {
    /// There was nothing to do.
    pub(crate) fn nothing() -> Self {
        Self(json!({ "response": { "status": "200 OK" } }))
    }

    pub(super) fn refused(error: &HookError) -> Self {
        let status = error.answer(Surface::Fhir).status;
        let outcome = operation_outcome(&error.issues(Surface::Fhir));
        Self(json!({ "response": { "status": status.to_string(), "outcome": outcome } }))
    }

    pub(super) fn done(hook: &Hook, headers: &HeaderMap, id: &str, outcome: &Outcome) -> Self {
        let wanted = negotiate::preferred_return(headers);
        match outcome {
            Outcome::Written { resource, version, new, notes, .. } => {
                let mut entry = json!({ "response": {
                    "status": if *new { "201 Created" } else { "200 OK" },
                    "location": fhir::location(hook, id, &version.id),
                    "etag": answer::etag(version),
                    "lastModified": version.updated.to_string(),
                } });
                match wanted {
                    Return::Minimal => {}
                    Return::Representation => entry["resource"] = resource.value(Some(version)),
                    Return::OperationOutcome => {
                        entry["response"]["outcome"] = operation_outcome(&notes.issues())
                    }
                }
                Self(entry)
            }
            Outcome::Deleted { .. } => Self(json!({ "response": { "status": "204 No Content" } })),
            Outcome::Stale { .. } => {
                let outcome = operation_outcome(&[fhir::said(outcome, id)]);
                Self(json!({ "response": { "status": "200 OK", "outcome": outcome } }))
            }
        }
    }
}

/// The whole answer.
pub(crate) fn bundle(kind: &str, replies: &[Reply]) -> Value {
    let entries: Vec<_> = replies.iter().map(|Reply(entry)| entry).collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": kind });
    // FHIR has no empty lists.
    if !entries.is_empty() {
        bundle["entry"] = json!(entries);
    }
    bundle
}
