use super::*;
use crate::{error::Refusal, routes::Surface};

fn store_away() -> StoreError {
    StoreError::Unavailable { operation: "test", source: "away".into() }
}

fn refused(fault: Fault) -> HookError {
    let refusal = Refusal { fault, expression: "Patient.name".to_owned(), text: "x".to_owned() };
    HookError::Refused { refusals: vec![refusal] }
}

/// One error of each kind.
fn samples() -> Vec<HookError> {
    let text = || "x".to_owned();
    vec![
        HookError::NotJson { line: 1, column: 1 },
        HookError::NotObject,
        HookError::DuplicateKey { path: text() },
        HookError::NotUtf8,
        HookError::TooDeep,
        HookError::EmptyBody,
        HookError::BodyTooLarge { limit: 1 },
        HookError::BodyTimeout,
        HookError::BodyCutOff,
        HookError::ContentType { given: text() },
        HookError::ContentEncoding,
        HookError::NotAcceptable,
        HookError::ResourceTypeMissing,
        HookError::ResourceTypeDiffers { body: None, path: "Patient" },
        HookError::UnsupportedType { name: text() },
        HookError::UnknownType { name: text() },
        HookError::InvalidId,
        HookError::IdDiffers { path: text(), missing: true },
        HookError::NotFound { id: text() },
        HookError::Gone { id: text() },
        HookError::NoSuchPath,
        HookError::MethodNotAllowed { method: text(), allow: "GET" },
        HookError::UnsupportedInteraction { name: text() },
        HookError::ConditionalCreate,
        HookError::ConditionalUpdate,
        HookError::VersionConflict { expected: text(), current: text() },
        HookError::Exists { id: text() },
        HookError::MessageTooLarge { size: 2, limit: 1 },
        HookError::Queue(QueueError::Full),
        HookError::Queue(QueueError::Unavailable { reason: text() }),
        HookError::WriteTimeout,
        HookError::Busy,
        HookError::ReadTimeout,
        HookError::Store(StoreError::Full),
        HookError::Store(store_away()),
        HookError::Store(StoreError::Corrupt { reason: "x" }),
        HookError::Unreadable { id: text(), reason: text() },
        HookError::BundleType { name: text() },
        HookError::TooManyEntries { limit: 1 },
        HookError::Bundle { reason: "x" },
        HookError::Event { reason: "x" },
        HookError::NoSource,
        HookError::ForeignSource { host: text() },
        HookError::SourceNotNamed,
        HookError::Credentials(AuthError::Missing),
        HookError::Credentials(AuthError::Invalid("x")),
        HookError::Credentials(AuthError::Expired("x")),
        HookError::Credentials(AuthError::Unavailable("x")),
        HookError::Forbidden { principal: text(), verb: text() },
        HookError::IdMissing,
        HookError::NotNdjson,
        HookError::Parameter { name: "x" },
        HookError::TooManyRequests,
        HookError::Draining,
        HookError::Internal { trace: text(), reason: "x" },
        refused(Fault::Structure),
        refused(Fault::Value),
        refused(Fault::Code),
        refused(Fault::Modifier),
        refused(Fault::Rule),
    ]
}

/// Whether `text` is `pattern` with something for each `{…}`.
fn fits(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    let mut parts = pattern.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.is_empty() || pattern.ends_with('}')
}

#[test]
fn what_is_explained_is_what_is_answered() {
    for error in samples() {
        let (answer, explained) = (error.answer(Surface::Fhir), error.explained());
        assert_eq!(answer.status.as_u16(), explained.status, "{}", explained.code);
        assert_eq!(answer.code, explained.issue_type, "{}", explained.code);
        assert!(fits(explained.text, &answer.text), "{} is not {}", answer.text, explained.text);
    }
}

#[test]
fn every_kind_is_explained_once() {
    let samples = samples();
    let mut met: Vec<&str> = samples.iter().map(|error| error.explained().code).collect();
    let mut listed: Vec<&str> = HOOK_ANSWERS.iter().map(|answer| answer.code).collect();
    met.sort_unstable();
    listed.sort_unstable();
    assert_eq!(met, listed);
    listed.dedup();
    assert_eq!(listed.len(), met.len());
}

#[test]
fn the_entry_of_a_bundle_is_explained_by_what_is_wrong_with_it() {
    let entry = HookError::Entry { index: 3, error: Box::new(HookError::IdMissing) };
    assert_eq!(entry.explained().code, "id-missing");
}
