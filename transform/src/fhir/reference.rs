//! What a reference or a request URL names: `Patient/p-1`, `https://host/fhir/Patient/p-1/_history/3`, `Patient?…`.

use std::fmt;

use message_store::PatientKey;

use crate::{error::HookError, resource_types};

/// A resource that is named by type and id. `Debug` says which parts it has.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target<'t> {
    /// The server's FHIR base, where the reference is absolute.
    pub(crate) base: Option<&'t str>,
    /// As written; not checked.
    pub(crate) kind: &'t str,
    pub(crate) id: Option<&'t str>,
    /// The version after `_history`.
    pub(crate) version: Option<&'t str>,
    /// Whether it is found by search parameters.
    pub(crate) conditional: bool,
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("base", &self.base.is_some())
            .field("id", &self.id.is_some())
            .field("version", &self.version.is_some())
            .field("conditional", &self.conditional)
            .finish_non_exhaustive()
    }
}

impl<'t> Target<'t> {
    /// Reads a reference; `None` where it names no resource type, such as a `urn:uuid:`.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let path = path.trim_end_matches('/');
        let (path, version) = match path.split_once("/_history/") {
            Some((path, version)) => (path, Some(version)),
            None => (path, None),
        };
        let mut segments = path.rsplitn(3, '/');
        let last = segments.next().filter(|last| !last.is_empty())?;
        let before = segments.next().filter(|kind| resource_types::known(kind).is_some());
        let (kind, id) = match before {
            Some(kind) => (kind, Some(last)),
            None if resource_types::known(last).is_some() => (last, None),
            None => return None,
        };
        let named = kind.len() + id.map_or(0, |id| id.len() + 1);
        let base = path.get(..path.len().checked_sub(named)?)?.trim_end_matches('/');
        Some(Self {
            base: Some(base).filter(|base| base.contains("://")),
            kind,
            id,
            version,
            conditional: query.is_some(),
        })
    }

    pub(crate) fn is_patient(&self) -> bool {
        self.kind == "Patient"
    }

    /// The patient that is named.
    ///
    /// # Errors
    /// When there is no id, or one that is not FHIR's.
    pub(crate) fn patient(&self) -> Result<PatientKey, HookError> {
        self.id.and_then(|id| PatientKey::new(id).ok()).ok_or(HookError::InvalidId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_relative_absolute_and_versioned_references() {
        let read = |text| Target::parse(text).map(|t| (t.base, t.kind, t.id, t.version, t.conditional));
        for (text, expected) in [
            ("Patient/p-1", Some((None, "Patient", Some("p-1"), None, false))),
            ("/Patient/p-1/", Some((None, "Patient", Some("p-1"), None, false))),
            ("Patient", Some((None, "Patient", None, None, false))),
            ("Patient?identifier=1", Some((None, "Patient", None, None, true))),
            (
                "https://h/a/fhir/Patient/p-1/_history/3",
                Some((Some("https://h/a/fhir"), "Patient", Some("p-1"), Some("3"), false)),
            ),
            ("http://h/Observation/1", Some((Some("http://h"), "Observation", Some("1"), None, false))),
            ("urn:uuid:7f2c1b1e-5a6d-4c53-9a0a-0d8f7b6b1c11", None),
            ("Patient/p-1/$everything", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
