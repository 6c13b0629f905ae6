//! A Patient as its sender gave it.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{body, error::HookError, told};

/// Read and found to be a Patient; what is inside is for the mapping to judge.
#[derive(Clone)]
pub(crate) struct Given {
    members: Map<String, Value>,
    json: Option<Bytes>,
    content: OnceLock<String>,
}

impl Given {
    /// Reads a body that is the Patient itself.
    pub(crate) fn read(body: &Bytes) -> Result<Self, HookError> {
        let members = body::parse_object(body)?;
        match body::resource_type(&members)? {
            Some("Patient") => Ok(Self::of_body(members, body)),
            kind => Err(HookError::ResourceTypeDiffers { body: kind, path: "Patient" }),
        }
    }

    /// What was read from the whole of a body.
    pub(crate) fn of_body(members: Map<String, Value>, body: &Bytes) -> Self {
        Self { json: Some(body.clone()), ..members.into() }
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The text that says this Patient and nothing else, where there is one.
    pub(crate) fn json(&self) -> Option<&[u8]> {
        self.json.as_deref()
    }

    /// Stands for what it says, whatever its server notes about the version.
    pub(crate) fn content(&self) -> &str {
        self.content.get_or_init(|| told::content(&self.members))
    }
}

impl From<Map<String, Value>> for Given {
    fn from(members: Map<String, Value>) -> Self {
        Self { members, json: None, content: OnceLock::new() }
    }
}
