//! Why a request is refused, and the one place where that becomes an HTTP answer.
//!
//! [`HookError::answer`] is the translation: status, FHIR issue type, text for the client, headers. The persistence
//! surface wraps it in its envelope, every other one in an OperationOutcome.

mod explained;
mod refusal;

use std::fmt;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use credentials::TlsConfigError;
use message_store::StoreError;
use queue::QueueError;
use serde_json::json;

pub use self::explained::{HOOK_ANSWERS, HookAnswer};
pub(crate) use self::refusal::{Fault, Refusal};
use crate::{
    auth::{AuthConfigError, AuthError},
    envelope, fhir,
    outcome::{Issue, operation_outcome},
    routes::Surface,
};

/// Why the hook could not start, or not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting makes no sense.
    #[error("{setting} {reason}")]
    Config {
        /// Section and key.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The `[message]` section cannot be used.
    #[error("[message]: {0}")]
    Mapping(#[source] fhir_adt::ConfigError),
    /// The settings cannot be read again.
    #[error("{0}")]
    Settings(#[source] service::config::ConfigError),
    /// The `[hook.auth]` section cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthConfigError),
    /// The files of `[hook.tls]` cannot be used.
    #[error("hook.tls: {0}")]
    Tls(#[from] TlsConfigError),
    /// The TLS files of a source cannot be used.
    #[error("hook.source.tls: {0}")]
    SourceTls(#[source] credentials::TlsConfigError),
    /// The queue broke for good.
    #[error("queue: {0}")]
    Queue(#[source] QueueError),
}

/// Why a request is not done. `Display` is for the log and holds no value of a request, and `Debug` is no other.
#[derive(thiserror::Error)]
pub(crate) enum HookError {
    #[error("body is not JSON at line {line} column {column}")]
    NotJson { line: usize, column: usize },
    #[error("body is not a JSON object")]
    NotObject,
    #[error("body has a duplicate key")]
    DuplicateKey { path: String },
    #[error("body is not UTF-8")]
    NotUtf8,
    #[error("body is nested too deeply")]
    TooDeep,
    #[error("body is empty")]
    EmptyBody,
    #[error("body is over the limit of {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("body did not arrive in time")]
    BodyTimeout,
    #[error("body was cut off")]
    BodyCutOff,
    #[error("content type is not supported")]
    ContentType { given: String },
    #[error("content encoding is not supported")]
    ContentEncoding,
    #[error("no JSON accepted")]
    NotAcceptable,
    #[error("resourceType is missing")]
    ResourceTypeMissing,
    #[error("resourceType differs from the path")]
    ResourceTypeDiffers { body: Option<&'static str>, path: &'static str },
    #[error("resource type is not supported")]
    UnsupportedType { name: String },
    #[error("no such resource type")]
    UnknownType { name: String },
    #[error("id is not a FHIR id")]
    InvalidId,
    #[error("body id does not match the path")]
    IdDiffers { path: String, missing: bool },
    #[error("the mapping refuses the resource: {}", refusal::places(.refusals))]
    Refused { refusals: Vec<Refusal> },
    #[error("no such patient")]
    NotFound { id: String },
    #[error("the patient was deleted")]
    Gone { id: String },
    #[error("no such path")]
    NoSuchPath,
    #[error("method is not allowed here")]
    MethodNotAllowed { method: String, allow: &'static str },
    #[error("interaction is not supported")]
    UnsupportedInteraction { name: String },
    #[error("conditional create is not supported")]
    ConditionalCreate,
    #[error("conditional update is not supported")]
    ConditionalUpdate,
    #[error("another version is current")]
    VersionConflict { expected: String, current: String },
    #[error("the patient exists")]
    Exists { id: String },
    #[error("message of {size} bytes is over the queue's limit of {limit}")]
    MessageTooLarge { size: usize, limit: usize },
    #[error("queue did not take the message: {0}")]
    Queue(#[source] QueueError),
    #[error("the write is not done within the time for a request")]
    WriteTimeout,
    #[error("the store did not answer within the time for a request")]
    ReadTimeout,
    #[error("{0}")]
    Store(#[source] StoreError),
    #[error("stored message cannot be read: {reason}")]
    Unreadable { id: String, reason: String },
    #[error("another process is writing the patient")]
    Busy,
    #[error("bundle type is not supported")]
    BundleType { name: String },
    #[error("bundle has more than {limit} entries")]
    TooManyEntries { limit: usize },
    #[error("bundle: {reason}")]
    Bundle { reason: &'static str },
    #[error("entry {index}: {error}")]
    Entry { index: usize, error: Box<Self> },
    #[error("event is not readable: {reason}")]
    Event { reason: &'static str },
    #[error("no source server is configured")]
    NoSource,
    #[error("the source server is not on the list")]
    ForeignSource { host: String },
    #[error("{0}")]
    Credentials(#[from] AuthError),
    #[error("{principal} may not {verb}")]
    Forbidden { principal: String, verb: String },
    #[error("several source servers are configured, and none is named")]
    SourceNotNamed,
    #[error("id is missing")]
    IdMissing,
    #[error("content type is not NDJSON")]
    NotNdjson,
    #[error("query parameter {name} cannot be read")]
    Parameter { name: &'static str },
    #[error("too many requests")]
    TooManyRequests,
    #[error("shutting down")]
    Draining,
    #[error("internal error: {reason}")]
    Internal { trace: String, reason: &'static str },
}

/// An error as HTTP and FHIR say it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// FHIR R4 issue-type.
    pub(crate) code: &'static str,
    /// For the client: may name an id it sent itself, never an element's value.
    pub(crate) text: String,
}

impl HookError {
    /// The translation. To be mended: 401 403. Final: 400 404 405 406 410 412 413 415 422 501; worth a retry: 408 429 500 503.
    pub(crate) fn answer(&self, surface: Surface) -> Answer {
        let answer = |status, code, text: &str| Answer { status, code, text: text.to_owned() };
        match self {
            Self::NotJson { line, column } => {
                let text = format!("Body is not valid JSON at line {line} column {column}.");
                answer(StatusCode::BAD_REQUEST, "invalid", &text)
            }
            Self::NotObject => answer(StatusCode::BAD_REQUEST, "invalid", "Body must be a JSON object."),
            Self::DuplicateKey { path } => {
                answer(StatusCode::BAD_REQUEST, "invalid", &format!("Body has a duplicate key at {path}."))
            }
            Self::NotUtf8 => answer(StatusCode::BAD_REQUEST, "invalid", "Body is not UTF-8."),
            Self::TooDeep => answer(StatusCode::BAD_REQUEST, "invalid", "Body is nested too deeply."),
            Self::EmptyBody => answer(StatusCode::BAD_REQUEST, "required", "Body is empty."),
            Self::BodyTooLarge { limit } => {
                answer(StatusCode::PAYLOAD_TOO_LARGE, "too-long", &format!("Body exceeds {limit} bytes."))
            }
            Self::BodyTimeout => {
                answer(StatusCode::REQUEST_TIMEOUT, "timeout", "Body did not arrive in time.")
            }
            Self::BodyCutOff => answer(StatusCode::BAD_REQUEST, "incomplete", "Body is not complete."),
            Self::ContentType { given } => {
                let text = format!("Content-Type {given} is not supported. Send application/fhir+json.");
                answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", &text)
            }
            Self::ContentEncoding => {
                let text = "Content-Encoding is not supported. Send the body as it is.";
                answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text)
            }
            Self::NotAcceptable => {
                let text = "Only application/fhir+json can be produced.";
                answer(StatusCode::NOT_ACCEPTABLE, "not-supported", text)
            }
            Self::ResourceTypeMissing => {
                answer(StatusCode::BAD_REQUEST, "required", "resourceType is missing.")
            }
            Self::ResourceTypeDiffers { body, path } => {
                let body = body.unwrap_or("resource of no known type");
                answer(StatusCode::BAD_REQUEST, "invalid", &format!("Body is a {body}, path says {path}."))
            }
            Self::UnsupportedType { name } => {
                let text = format!("ResourceType {name} is not supported.");
                answer(StatusCode::BAD_REQUEST, "not-supported", &text)
            }
            Self::UnknownType { name } => {
                let text = format!("ResourceType {name} is not supported.");
                answer(StatusCode::NOT_FOUND, "not-found", &text)
            }
            Self::InvalidId => answer(StatusCode::BAD_REQUEST, "value", "id is not a FHIR id."),
            Self::IdDiffers { path, missing } => {
                let how = if *missing { "missing" } else { "different" };
                let text = format!("Can not update Patient/{path}: body id is {how}.");
                answer(StatusCode::BAD_REQUEST, "invalid", &text)
            }
            Self::Refused { refusals } => {
                let (status, code) = refusal::status(refusals, surface);
                answer(status, code, &refusal::text(refusals))
            }
            Self::NotFound { id } => {
                let text = format!("Unable to find resource Patient with {id}");
                answer(StatusCode::NOT_FOUND, "not-found", &text)
            }
            Self::Gone { id } => answer(StatusCode::GONE, "deleted", &format!("Patient/{id} was deleted.")),
            Self::NoSuchPath => answer(StatusCode::NOT_FOUND, "not-found", "No such path."),
            Self::MethodNotAllowed { method, .. } => {
                let text = format!("{method} is not allowed here.");
                answer(StatusCode::METHOD_NOT_ALLOWED, "not-supported", &text)
            }
            Self::UnsupportedInteraction { name } => {
                answer(StatusCode::NOT_IMPLEMENTED, "not-supported", &format!("{name} is not supported."))
            }
            Self::ConditionalCreate => {
                let text = "Conditional create is not supported.";
                answer(StatusCode::PRECONDITION_FAILED, "not-supported", text)
            }
            Self::ConditionalUpdate => {
                let text = "Conditional update is not supported.";
                answer(StatusCode::NOT_IMPLEMENTED, "not-supported", text)
            }
            Self::VersionConflict { expected, current } => {
                let text = format!("Version {expected} expected, {current} is current.");
                answer(StatusCode::PRECONDITION_FAILED, "conflict", &text)
            }
            Self::Exists { id } => {
                answer(StatusCode::PRECONDITION_FAILED, "conflict", &format!("Patient/{id} exists."))
            }
            Self::MessageTooLarge { size, limit } => {
                let text = format!("Message is {size} bytes, the queue takes {limit}.");
                answer(StatusCode::PAYLOAD_TOO_LARGE, "too-long", &text)
            }
            Self::Queue(_) | Self::WriteTimeout | Self::Busy => {
                let text = "Unable to pass request to back end system";
                answer(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
            Self::ReadTimeout
            | Self::Store(StoreError::Unavailable { .. } | StoreError::Full | StoreError::Changed) => {
                answer(StatusCode::SERVICE_UNAVAILABLE, "transient", "Message store is unavailable.")
            }
            Self::Store(StoreError::Corrupt { .. } | StoreError::Config { .. }) => {
                let text = "Message store cannot be read.";
                answer(StatusCode::INTERNAL_SERVER_ERROR, "exception", text)
            }
            Self::Unreadable { id, .. } => {
                let text = format!("Stored message of Patient/{id} cannot be read.");
                answer(StatusCode::INTERNAL_SERVER_ERROR, "exception", &text)
            }
            Self::BundleType { name } => {
                let text = format!("Bundle type {name} is not supported.");
                answer(StatusCode::BAD_REQUEST, "not-supported", &text)
            }
            Self::TooManyEntries { limit } => {
                let text = format!("Bundle has more than {limit} entries.");
                answer(StatusCode::UNPROCESSABLE_ENTITY, "too-costly", &text)
            }
            Self::Bundle { reason } | Self::Event { reason } => {
                answer(StatusCode::BAD_REQUEST, "invalid", reason)
            }
            Self::Entry { index, error } => {
                let Answer { status, code, text } = error.answer(surface);
                Answer { status, code, text: format!("Bundle.entry[{index}]: {text}") }
            }
            Self::NoSource => {
                let text = "Id-only notifications need a source server.";
                answer(StatusCode::NOT_IMPLEMENTED, "not-supported", text)
            }
            Self::ForeignSource { host } => {
                let text = format!("{host} is not an allowed source.");
                answer(StatusCode::UNPROCESSABLE_ENTITY, "forbidden", &text)
            }
            Self::Credentials(AuthError::Missing) => {
                answer(StatusCode::UNAUTHORIZED, "login", "Credentials are missing.")
            }
            Self::Credentials(AuthError::Invalid(_)) => {
                answer(StatusCode::UNAUTHORIZED, "login", "Credentials are not valid.")
            }
            Self::Credentials(AuthError::Expired(_)) => {
                answer(StatusCode::UNAUTHORIZED, "expired", "Credentials are not valid.")
            }
            Self::Credentials(AuthError::Unavailable(_)) => {
                answer(StatusCode::SERVICE_UNAVAILABLE, "transient", "Credentials cannot be checked now.")
            }
            Self::Forbidden { principal, verb } => {
                let text = format!("{principal} may not {verb} Patient.");
                answer(StatusCode::FORBIDDEN, "forbidden", &text)
            }
            Self::SourceNotNamed => {
                let text = "Several source servers are configured; the notification does not say which.";
                answer(StatusCode::UNPROCESSABLE_ENTITY, "required", text)
            }
            Self::IdMissing => answer(StatusCode::BAD_REQUEST, "required", "id is missing."),
            Self::NotNdjson => {
                let text = "Content-Type is not supported. Send application/fhir+ndjson.";
                answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text)
            }
            Self::Parameter { name } => {
                answer(StatusCode::BAD_REQUEST, "value", &format!("Parameter {name} cannot be read."))
            }
            Self::TooManyRequests => answer(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too many requests."),
            Self::Draining => answer(StatusCode::SERVICE_UNAVAILABLE, "transient", "Shutting down."),
            Self::Internal { trace, .. } => {
                let text = format!("Internal error {trace}.");
                answer(StatusCode::INTERNAL_SERVER_ERROR, "exception", &text)
            }
        }
    }

    /// The body may not have been read, or the process is going away: the connection ends with the answer.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge { .. }
                | Self::BodyTimeout
                | Self::BodyCutOff
                | Self::TooManyRequests
                | Self::Draining
        )
    }
}

impl HookError {
    /// The answer to the client, and the one line of log that a refusal gets.
    pub(crate) fn respond(&self, surface: Surface) -> Response {
        let Answer { status, code, text } = self.answer(surface);
        let explained = self.explained().code;
        if status.is_server_error() {
            tracing::error!(http.status = status.as_u16(), issue = code, code = explained, error = %self, "refused: {self}");
        } else {
            tracing::info!(http.status = status.as_u16(), issue = code, code = explained, error = %self, "refused: {self}");
        }
        let mut response = match surface {
            Surface::Persistence => envelope::response(status, &json!({}), &text),
            Surface::Fhir => fhir::response(status, &operation_outcome(&self.issues(surface))),
        };
        let headers = response.headers_mut();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            // Spread, so that refused clients do not come back at once.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(rand::random_range(1..=30_u16)));
        }
        if let Self::MethodNotAllowed { allow, .. } = &self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.closes() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// What the OperationOutcome holds: one issue, or one for each element that is to blame.
    pub(crate) fn issues(&self, surface: Surface) -> Vec<Issue> {
        match self {
            Self::Refused { refusals } => refusals.iter().map(Refusal::issue).collect(),
            other => {
                let Answer { code, text, .. } = other.answer(surface);
                let expression = other.expression();
                vec![Issue { severity: "error", code, expression, diagnostics: text }]
            }
        }
    }

    /// The element to blame, as a FHIRPath.
    fn expression(&self) -> String {
        match self {
            Self::DuplicateKey { path } => path.clone(),
            Self::ResourceTypeMissing | Self::ResourceTypeDiffers { .. } => {
                "Resource.resourceType".to_owned()
            }
            Self::InvalidId | Self::IdDiffers { .. } => "Patient.id".to_owned(),
            Self::BundleType { .. } => "Bundle.type".to_owned(),
            Self::TooManyEntries { .. } => "Bundle.entry".to_owned(),
            Self::Entry { index, .. } => format!("Bundle.entry[{index}]"),
            _ => String::new(),
        }
    }
}

impl fmt::Debug for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookError({self})")
    }
}

impl From<StoreError> for HookError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<QueueError> for HookError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::TooLarge { size_bytes, limit_bytes } => {
                Self::MessageTooLarge { size: size_bytes, limit: limit_bytes }
            }
            other => Self::Queue(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_40_a_request_during_the_drain_is_told_to_come_back() {
        for surface in [Surface::Fhir, Surface::Persistence] {
            let Answer { status, code, text } = HookError::Draining.answer(surface);
            assert_eq!((status.as_u16(), code, text.as_str()), (503, "transient", "Shutting down."));
            let response = HookError::Draining.respond(surface);
            assert_eq!(response.headers()[header::CONNECTION], "close");
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn debug_holds_no_value() {
        let id = "Canary".to_owned();
        let errors = [
            HookError::NotFound { id: id.clone() },
            HookError::DuplicateKey { path: id.clone() },
            HookError::ContentType { given: id.clone() },
            HookError::Entry { index: 1, error: Box::new(HookError::Exists { id }) },
        ];
        for error in errors {
            assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
        }
    }

    #[test]
    fn an_entry_is_refused_for_what_is_in_it() {
        let error = HookError::Entry { index: 3, error: Box::new(HookError::InvalidId) };
        let Answer { status, text, .. } = error.answer(Surface::Fhir);
        assert_eq!((status.as_u16(), text.as_str()), (400, "Bundle.entry[3]: id is not a FHIR id."));
        assert_eq!(error.issues(Surface::Fhir)[0].expression, "Bundle.entry[3]");
    }
}
