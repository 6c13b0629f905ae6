//! What the hook offers, as a CapabilityStatement (FHIR R4 §5.2).

use serde_json::{Value, json};

/// The statement of this program; nothing in it depends on who asks.
pub(super) fn statement(base: &str) -> Value {
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": { "name": "adt-bridge", "version": env!("CARGO_PKG_VERSION") },
        "implementation": {
            "description": "Takes Patients and sends them as HL7 v2 ADT messages",
            "url": format!("{base}/fhir"),
        },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "documentation": "A 2xx says that the message is durable. Bundles of type transaction, batch and history, and \
                              notifications of the Subscriptions Backport guide, are taken at the base.",
            "resource": [{
                "type": "Patient",
                "interaction": [
                    { "code": "create" },
                    { "code": "read" },
                    { "code": "update" },
                    { "code": "delete" },
                ],
                "versioning": "versioned-update",
                "readHistory": false,
                "updateCreate": true,
                "conditionalCreate": false,
                "conditionalRead": "not-match",
                "conditionalUpdate": false,
                "conditionalDelete": "not-supported",
            }],
            "interaction": [{ "code": "transaction" }, { "code": "batch" }],
        }],
    })
}

/// When this statement last changed.
const DATE: &str = "2026-11-21";
