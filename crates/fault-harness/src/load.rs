//! The load generator: writes Patients to a hook and keeps the list of what was answered with 2xx, outside of
//! the system under test.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::oracle::Mark;

/// Writes marked Patients to one hook.
#[derive(Debug)]
pub struct Load {
    client: reqwest::Client,
    base: Mutex<String>,
    accepted: Mutex<Vec<Mark>>,
}

impl Load {
    /// `base` is the URL of the persistence surface, such as `http://127.0.0.1:8080/persistence`. A request without an answer is
    /// given up after `timeout`.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(base: impl Into<String>, timeout: Duration) -> Result<Self, reqwest::Error> {
        // The client asks for one although it speaks no TLS; an error says that there is one.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = reqwest::Client::builder().timeout(timeout).build()?;
        Ok(Self { client, base: Mutex::new(base.into()), accepted: Mutex::default() })
    }

    /// Where the hook is after a restart on another port.
    pub fn moved(&self, base: impl Into<String>) {
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base.into();
    }

    /// Writes one version of a Patient once: the status of the answer, `None` without one. A 2xx is noted. The
    /// mark is the idempotency key, so a repeat asks for no second message.
    pub async fn put(&self, mark: Mark) -> Option<u16> {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = format!("{base}/Patient/{}", patient_id(mark.group));
        let request = self
            .client
            .put(url)
            .header("content-type", "application/json")
            .header("idempotency-key", mark.to_string());
        let answer = request.body(patient(mark).to_string()).send().await.ok()?;
        if answer.status().is_success() {
            self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
        }
        Some(answer.status().as_u16())
    }

    /// Writes until a 2xx, as a FHIR server does; false when the deadline came first.
    pub async fn write(&self, mark: Mark, deadline: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < deadline {
            if self.put(mark).await.is_some_and(|status| (200..300).contains(&status)) {
                return true;
            }
            tokio::time::sleep(AGAIN).await;
        }
        false
    }

    /// What was answered with 2xx.
    pub fn accepted(&self) -> Vec<Mark> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The id of the Patient of a group.
pub fn patient_id(group: u64) -> String {
    format!("fault-{group}")
}

/// A synthetic Patient whose family name is the mark.
pub fn patient(mark: Mark) -> Value {
    json!({
        "resourceType": "Patient",
        "id": patient_id(mark.group),
        "meta": { "versionId": mark.version.to_string() },
        "identifier": [{ "system": "urn:oid:2.16.840.1.113883.19.5", "value": format!("F{}", mark.group) }],
        "name": [{ "use": "official", "family": mark.to_string(), "given": ["Fault"] }],
        "gender": "unknown",
        "birthDate": "1970-01-01",
    })
}

/// Pause of a client between two tries.
const AGAIN: Duration = Duration::from_millis(20);
