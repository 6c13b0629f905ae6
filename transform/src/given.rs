//! A Patient as its sender gave it.

mod scan;

use std::{borrow::Cow, sync::OnceLock};

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{body, content, error::HookError, told::Told};

/// Read and found to be a Patient; what is inside is for the mapping to judge.
#[derive(Clone)]
pub(crate) struct Given {
    id: Id,
    told: Told,
    form: Form,
}

#[derive(Clone)]
enum Form {
    /// A body that is the Patient and nothing else.
    Json { json: Bytes, content: String },
    /// A part of a body.
    Members { members: Map<String, Value>, content: OnceLock<String> },
}

/// What stands in `id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Id {
    /// Nothing, or `null`.
    #[default]
    Missing,
    Text(String),
    /// What no id can be.
    Other,
}

impl Given {
    /// Reads a body that is the Patient itself.
    pub(crate) fn read(body: &Bytes) -> Result<Self, HookError> {
        if let Some(patient) = Self::scan(body) {
            return Ok(patient);
        }
        // Now for what is wrong with it.
        let members = body::parse_object(body)?;
        match body::resource_type(&members)? {
            Some("Patient") => Ok(members.into()),
            kind => Err(HookError::ResourceTypeDiffers { body: kind, path: "Patient" }),
        }
    }

    /// Reads a body that may be a Patient; `None` where it is not, or something is wrong with it.
    pub(crate) fn scan(body: &Bytes) -> Option<Self> {
        let scan::Facts { id, told, content } = scan::scan(body)?;
        Some(Self { id, told, form: Form::Json { json: body.clone(), content } })
    }

    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// What `meta` says.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// The Patient as a value, made anew.
    pub(crate) fn value(&self) -> Result<Value, HookError> {
        match &self.form {
            Form::Json { json, .. } => body::parse(json),
            Form::Members { members, .. } => Ok(Value::Object(members.clone())),
        }
    }

    /// The Patient as JSON text.
    pub(crate) fn json(&self) -> Cow<'_, [u8]> {
        match &self.form {
            Form::Json { json, .. } => Cow::Borrowed(json),
            // A map of texts is always written; nothing at all would only lead the long way.
            Form::Members { members, .. } => Cow::Owned(serde_json::to_vec(members).unwrap_or_default()),
        }
    }

    /// Stands for what it says, whatever its server notes about the version.
    pub(crate) fn content(&self) -> &str {
        match &self.form {
            Form::Json { content, .. } => content,
            Form::Members { members, content } => content.get_or_init(|| content::content(members)),
        }
    }
}

impl From<Map<String, Value>> for Given {
    fn from(members: Map<String, Value>) -> Self {
        let (id, told) = (Id::of(&members), Told::of(&members));
        Self { id, told, form: Form::Members { members, content: OnceLock::new() } }
    }
}

impl Id {
    /// What stands in `id` of a resource.
    pub(crate) fn of(resource: &Map<String, Value>) -> Self {
        match resource.get("id") {
            None | Some(Value::Null) => Self::Missing,
            Some(Value::String(id)) => Self::Text(id.clone()),
            Some(_) => Self::Other,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(id) => Some(id),
            Self::Missing | Self::Other => None,
        }
    }
}
