//! Which path means what.

use std::fmt;

use axum::http::Method;

use crate::{error::HookError, openapi, resource_types};

/// What a path names, below the base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'p> {
    /// `/persistence…`: the persistence API of FHIR Works on AWS.
    Persistence(Resources<'p>),
    /// `/fhir…`: FHIR's own REST interface.
    Fhir(Resources<'p>),
    /// `/fhir`: Bundles and notifications.
    FhirBase,
    /// `/fhir/metadata`.
    Metadata,
    /// `/fhir/$backfill`: history as NDJSON.
    Backfill,
    /// `/hook`: one URL for senders that add no path.
    Webhook,
}

/// What a path of the REST kind names. `Debug` hides the id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resources<'p> {
    /// `…/Patient`.
    Patients,
    /// `…/Patient/{id}`; the id is not checked yet.
    Patient { id: &'p str },
}

impl fmt::Debug for Resources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Patients => "Patients",
            Self::Patient { .. } => "Patient { .. }",
        })
    }
}

/// How an answer is wrapped, and which words it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `{"resource":{…},"message":"…"}`.
    Persistence,
    /// FHIR resources.
    Fhir,
}

impl Surface {
    /// The surface of a path, known or not.
    pub(crate) fn of(base: &str, path: &str) -> Self {
        if below(base, path, PERSISTENCE).is_some() { Self::Persistence } else { Self::Fhir }
    }
}

/// Reads a path; with or without the base path, with or without a slash at the end.
///
/// # Errors
/// 404 for what is no place, 400 and 404 for types that are not ours, 501 for interactions that are not.
pub(crate) fn place<'p>(base: &str, path: &'p str) -> Result<Place<'p>, HookError> {
    if let Some(rest) = below(base, path, PERSISTENCE) {
        return resources(rest).map(Place::Persistence);
    }
    if let Some(rest) = below(base, path, FHIR) {
        return match rest {
            "" => Ok(Place::FhirBase),
            "metadata" => Ok(Place::Metadata),
            "$backfill" => Ok(Place::Backfill),
            rest => resources(rest).map(Place::Fhir),
        };
    }
    if below(base, path, WEBHOOK) == Some("") { Ok(Place::Webhook) } else { Err(HookError::NoSuchPath) }
}

/// What follows `name`, without the slashes around it.
fn below<'p>(base: &str, path: &'p str, name: &str) -> Option<&'p str> {
    let rest = |path: &'p str| {
        let rest = path.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    let inner = path.strip_prefix(base).filter(|_| !base.is_empty());
    let rest = rest(path).or_else(|| inner.and_then(rest))?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    Some(rest.strip_suffix('/').unwrap_or(rest))
}

fn resources(rest: &str) -> Result<Resources<'_>, HookError> {
    if let Some(name) = rest.split('/').find(|segment| segment.starts_with(['_', '$'])) {
        return Err(HookError::UnsupportedInteraction { name: shown(name) });
    }
    let (kind, id) = rest.split_once('/').map_or((rest, None), |(kind, id)| (kind, Some(id)));
    match (kind, id) {
        ("", _) => Err(HookError::NoSuchPath),
        (_, Some(id)) if id.contains('/') => Err(HookError::NoSuchPath),
        ("Patient", None) => Ok(Resources::Patients),
        ("Patient", Some(id)) => Ok(Resources::Patient { id }),
        (kind, _) if resource_types::known(kind).is_some() => {
            Err(HookError::UnsupportedType { name: shown(kind) })
        }
        (kind, _) => Err(HookError::UnknownType { name: shown(kind) }),
    }
}

/// The pattern of a path, for logs: never the path itself, which holds ids.
pub(crate) fn pattern(base: &str, path: &str) -> &'static str {
    match place(base, path) {
        Ok(Place::Persistence(Resources::Patients)) => "/persistence/Patient",
        Ok(Place::Persistence(Resources::Patient { .. })) => "/persistence/Patient/{id}",
        Ok(Place::Fhir(Resources::Patients)) => "/fhir/Patient",
        Ok(Place::Fhir(Resources::Patient { .. })) => "/fhir/Patient/{id}",
        Ok(Place::FhirBase) => "/fhir",
        Ok(Place::Metadata) => "/fhir/metadata",
        Ok(Place::Backfill) => "/fhir/$backfill",
        Ok(Place::Webhook) => "/hook",
        Err(_) if path.ends_with("/livez") => "/livez",
        Err(_) if path.ends_with("/metrics") => "/metrics",
        Err(_) if path.ends_with("/readyz") => "/readyz",
        Err(_) if path.ends_with(openapi::PATH) => openapi::PATH,
        Err(_) => "other",
    }
}

/// 405 with what is allowed, or 501 where FHIR has a meaning for the method that is not offered.
pub(crate) fn refused_method(place: Place<'_>, method: &Method, query: bool) -> HookError {
    let allow = match place {
        Place::Persistence(Resources::Patients) | Place::Fhir(Resources::Patients) => {
            if method == Method::GET {
                return HookError::UnsupportedInteraction { name: "search-type".to_owned() };
            }
            if query && [Method::PUT, Method::DELETE, Method::PATCH].contains(method) {
                return HookError::ConditionalUpdate;
            }
            "POST"
        }
        Place::Persistence(Resources::Patient { .. }) | Place::Fhir(Resources::Patient { .. }) => {
            "DELETE, GET, HEAD, PUT"
        }
        Place::FhirBase | Place::Backfill => "POST",
        Place::Metadata => "GET, HEAD",
        Place::Webhook => "OPTIONS, POST",
    };
    HookError::MethodNotAllowed { method: shown(method.as_str()), allow }
}

/// A part of the path as an answer may repeat it.
fn shown(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "_$-".contains(*c);
    text.chars().filter(plain).take(64).collect()
}

const FHIR: &str = "/fhir";
const PERSISTENCE: &str = "/persistence";
const WEBHOOK: &str = "/hook";

#[cfg(test)]
mod tests;
