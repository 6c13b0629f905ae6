//! Which path means what.

use axum::http::Method;

use crate::{error::HookError, resource_types};

/// What a path names, below `{base}/persistence`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'p> {
    /// `/persistence/Patient`.
    Patients,
    /// `/persistence/Patient/{id}`; the id is not checked yet.
    Patient { id: &'p str },
}

/// Reads a path; with or without the base path, with or without a slash at the end.
///
/// # Errors
/// 404 for what is no place, 400 and 404 for types that are not ours, 501 for interactions that are not.
pub(crate) fn place<'p>(base: &str, path: &'p str) -> Result<Place<'p>, HookError> {
    let below = |path: &'p str| {
        let rest = path.strip_prefix(PERSISTENCE)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    let inner = path.strip_prefix(base).filter(|_| !base.is_empty());
    let rest = below(path).or_else(|| inner.and_then(below)).ok_or(HookError::NoSuchPath)?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let segments: Vec<_> = rest.split('/').collect();
    if let Some(name) = segments.iter().find(|segment| segment.starts_with(['_', '$'])) {
        return Err(HookError::UnsupportedInteraction { name: shown(name) });
    }
    let (kind, after) = segments.split_first().ok_or(HookError::NoSuchPath)?;
    match (resource_types::known(kind), after) {
        (Some("Patient"), []) => Ok(Place::Patients),
        (Some("Patient"), [id]) => Ok(Place::Patient { id }),
        (Some(_), [] | [_]) => Err(HookError::UnsupportedType { name: shown(kind) }),
        (None, [] | [_]) if !kind.is_empty() => Err(HookError::UnknownType { name: shown(kind) }),
        _ => Err(HookError::NoSuchPath),
    }
}

/// The pattern of a path, for logs: never the path itself, which holds ids.
pub(crate) fn pattern(base: &str, path: &str) -> &'static str {
    match place(base, path) {
        Ok(Place::Patients) => "/persistence/Patient",
        Ok(Place::Patient { .. }) => "/persistence/Patient/{id}",
        Err(_) if path.ends_with("/livez") => "/livez",
        Err(_) if path.ends_with("/readyz") => "/readyz",
        Err(_) => "other",
    }
}

/// 405 with what is allowed, or 501 where FHIR has a meaning for the method that is not offered.
pub(crate) fn refused_method(place: &Place<'_>, method: &Method, query: bool) -> HookError {
    match place {
        Place::Patients if method == Method::GET => {
            HookError::UnsupportedInteraction { name: "search-type".to_owned() }
        }
        Place::Patients if query && [Method::PUT, Method::DELETE, Method::PATCH].contains(method) => {
            HookError::ConditionalUpdate
        }
        Place::Patients => HookError::MethodNotAllowed { method: shown(method.as_str()), allow: "POST" },
        Place::Patient { .. } => {
            HookError::MethodNotAllowed { method: shown(method.as_str()), allow: "DELETE, GET, HEAD, PUT" }
        }
    }
}

/// A part of the path as an answer may repeat it.
fn shown(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "_$-".contains(*c);
    text.chars().filter(plain).take(64).collect()
}

const PERSISTENCE: &str = "/persistence";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_work_with_and_without_base_and_slash() {
        for base in ["", "/prod", "/a/b"] {
            for path in ["/persistence/Patient", "/persistence/Patient/"] {
                assert_eq!(place(base, path).unwrap(), Place::Patients);
                let whole = format!("{base}{path}");
                assert_eq!(place(base, &whole).unwrap(), Place::Patients, "{whole}");
            }
            for path in ["/persistence/Patient/p-1", "/persistence/Patient/p-1/"] {
                assert_eq!(place(base, &format!("{base}{path}")).unwrap(), Place::Patient { id: "p-1" });
            }
        }
    }

    #[test]
    fn other_paths_have_their_own_answers() {
        for (path, status, text) in [
            ("/", 404, "No such path."),
            ("/persistence", 404, "No such path."),
            ("/persistence/", 404, "No such path."),
            ("/persistencePatient", 404, "No such path."),
            ("/other/persistence/Patient", 404, "No such path."),
            ("/persistence/Patient/a/b", 404, "No such path."),
            ("/persistence//Patient", 404, "No such path."),
            ("/persistence/Observation", 400, "ResourceType Observation is not supported."),
            ("/persistence/Observation/1", 400, "ResourceType Observation is not supported."),
            ("/persistence/Nonsense", 404, "ResourceType Nonsense is not supported."),
            ("/persistence/patient/1", 404, "ResourceType patient is not supported."),
            ("/persistence/Patient/_search", 501, "_search is not supported."),
            ("/persistence/Patient/1/_history/2", 501, "_history is not supported."),
            ("/persistence/Patient/1/$everything", 501, "$everything is not supported."),
            ("/persistence/$export", 501, "$export is not supported."),
        ] {
            let answer = place("/prod", path).unwrap_err().answer();
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, text), "{path}");
        }
    }

    #[test]
    fn patterns_hold_no_id() {
        assert_eq!(pattern("/prod", "/prod/persistence/Patient/secret/"), "/persistence/Patient/{id}");
        assert_eq!(pattern("", "/secret"), "other");
    }

    #[test]
    fn methods_are_told_what_is_allowed() {
        let status = |place: Place<'_>, method: &Method, query| {
            refused_method(&place, method, query).answer().status.as_u16()
        };
        assert_eq!(status(Place::Patients, &Method::GET, true), 501);
        assert_eq!(status(Place::Patients, &Method::PUT, true), 501);
        assert_eq!(status(Place::Patients, &Method::PUT, false), 405);
        assert_eq!(status(Place::Patients, &Method::HEAD, false), 405);
        assert_eq!(status(Place::Patient { id: "x" }, &Method::PATCH, false), 405);
    }
}
