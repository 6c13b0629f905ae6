//! One request: who is asked, for what, and what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use data_encoding::HEXLOWER;
use message_store::{MessageStore, PatientKey};
use queue::{GroupId, Queue};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{
    Config, Dependencies, Error, OrderingScope, body, envelope,
    error::HookError,
    lookup,
    mapping::Mapping,
    negotiate,
    patient_lock::PatientLocks,
    resource_types,
    routes::{self, Place},
    write::{self, Outcome, Request as Write, Verb},
};

/// What all requests share.
pub(crate) struct Hook {
    mapping: Mapping,
    queue: Arc<dyn Queue>,
    store: Arc<dyn MessageStore>,
    locks: PatientLocks,
    ordering: OrderingScope,
    destination: String,
    base: String,
    max_body_bytes: usize,
    body_timeout: Duration,
    request_timeout: Duration,
    requests: Semaphore,
    /// KiB of bodies that may be in memory.
    buffers: Semaphore,
    /// Writes that have begun; they outlive their client's connection.
    writes: TaskTracker,
    draining: AtomicBool,
}

impl Hook {
    pub(crate) fn new(config: &Config, dependencies: Dependencies) -> Result<Self, Error> {
        let hook = &config.hook;
        Ok(Self {
            mapping: Mapping::new(config.message.clone(), hook.destination.clone())?,
            queue: dependencies.queue,
            store: dependencies.store,
            locks: PatientLocks::default(),
            ordering: hook.ordering,
            destination: hook.destination.clone(),
            base: hook.base().to_owned(),
            max_body_bytes: hook.max_body_bytes,
            body_timeout: hook.body_timeout,
            request_timeout: hook.request_timeout,
            requests: Semaphore::new(hook.max_requests),
            buffers: Semaphore::new(hook.max_buffered_bytes / 1024),
            writes: TaskTracker::new(),
            draining: AtomicBool::new(false),
        })
    }

    /// Answers one request.
    pub(crate) async fn handle(self: &Arc<Self>, request: Request) -> Result<Response, HookError> {
        if self.is_draining() {
            return Err(HookError::Draining);
        }
        let _permit = self.requests.try_acquire().map_err(|_| HookError::TooManyRequests)?;
        let (parts, body) = request.into_parts();
        let place = routes::place(&self.base, parts.uri.path())?;
        negotiate::check_accept(&parts.headers)?;
        match (&place, &parts.method) {
            (Place::Patients, &Method::POST) => {
                let content = self.receive(&parts.headers, body).await?;
                self.create(&parts.headers, &content.bytes).await
            }
            (Place::Patient { id }, &Method::PUT) => {
                let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
                let content = self.receive(&parts.headers, body).await?;
                self.update(&parts.headers, patient, &content.bytes).await
            }
            (Place::Patient { id }, &Method::DELETE) => {
                let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
                self.delete(&parts.headers, patient).await
            }
            (Place::Patient { id }, &(Method::GET | Method::HEAD)) => {
                let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
                let read = lookup::patient(self, &patient);
                tokio::time::timeout(self.request_timeout, read).await.unwrap_or(Err(HookError::ReadTimeout))
            }
            (place, method) => Err(routes::refused_method(place, method, parts.uri.query().is_some())),
        }
    }

    async fn create(self: &Arc<Self>, headers: &HeaderMap, content: &[u8]) -> Result<Response, HookError> {
        if headers.contains_key(negotiate::IF_NONE_EXIST) {
            return Err(HookError::ConditionalCreate);
        }
        let resource = patient(content)?;
        let request = fingerprint(headers, Verb::Create, content);
        // The server names a new resource. A repeat of a named request finds the name it was given before.
        let seed = request.as_ref().map_or_else(rand::random, |request| {
            let hash: [u8; 32] = Sha256::digest(request.as_bytes()).into();
            std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
        });
        let id = uuid::Builder::from_random_bytes(seed).into_uuid().to_string();
        let patient = PatientKey::new(&id).map_err(|_| HookError::InvalidId)?;
        let outcome = self.write(headers, Verb::Create, patient.clone(), Some(resource), request).await?;
        Ok(self.written(&patient, outcome))
    }

    async fn update(
        self: &Arc<Self>,
        headers: &HeaderMap,
        patient: PatientKey,
        content: &[u8],
    ) -> Result<Response, HookError> {
        let resource = self::patient(content)?;
        match resource.get("id").filter(|id| !id.is_null()) {
            None => return Err(HookError::IdDiffers { path: patient.id().to_owned(), missing: true }),
            Some(Value::String(id)) if PatientKey::new(id).is_err() => return Err(HookError::InvalidId),
            Some(id) if id != patient.id() => {
                return Err(HookError::IdDiffers { path: patient.id().to_owned(), missing: false });
            }
            Some(_) => {}
        }
        let request = fingerprint(headers, Verb::Update, content);
        let outcome = self.write(headers, Verb::Update, patient.clone(), Some(resource), request).await?;
        Ok(self.written(&patient, outcome))
    }

    async fn delete(
        self: &Arc<Self>,
        headers: &HeaderMap,
        patient: PatientKey,
    ) -> Result<Response, HookError> {
        let request = fingerprint(headers, Verb::Delete, &[]);
        let outcome = self.write(headers, Verb::Delete, patient.clone(), None, request).await?;
        Ok(self.written(&patient, outcome))
    }

    /// Runs a write to its end on a task of its own, and waits for it as long as a client may wait.
    async fn write(
        self: &Arc<Self>,
        headers: &HeaderMap,
        verb: Verb,
        patient: PatientKey,
        resource: Option<Map<String, Value>>,
        request: Option<String>,
    ) -> Result<Outcome, HookError> {
        let write = Write {
            verb,
            patient,
            resource,
            request,
            traceparent: negotiate::traceparent(headers),
            if_match: negotiate::if_match(headers),
            only_if_new: negotiate::only_if_new(headers),
        };
        let trace = negotiate::trace_id(&write.traceparent).to_owned();
        let work = write::perform(Arc::clone(self), write).in_current_span();
        match tokio::time::timeout(self.request_timeout, self.writes.spawn(work)).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(HookError::Internal { trace, reason: "a write panicked" }),
            Err(_) => Err(HookError::WriteTimeout),
        }
    }

    /// The answer to a write.
    fn written(&self, patient: &PatientKey, outcome: Outcome) -> Response {
        match outcome {
            Outcome::Deleted => {
                let text = format!("Patient/{} was deleted.", patient.id());
                envelope::response(StatusCode::OK, &json!({}), &text)
            }
            Outcome::Written { resource, version, new } => {
                let status = if new { StatusCode::CREATED } else { StatusCode::OK };
                let mut response = envelope::patient(status, resource, Some(&version));
                let place = format!("{}/persistence/Patient/{}", self.base, patient.id());
                if let (true, Ok(place)) = (new, HeaderValue::try_from(place)) {
                    response.headers_mut().insert(header::LOCATION, place);
                }
                response
            }
        }
    }

    /// Reads the body, as far as the headers say that it is JSON and there is room for it.
    async fn receive(&self, headers: &HeaderMap, body: axum::body::Body) -> Result<Content<'_>, HookError> {
        let limit = self.max_body_bytes;
        let size = body::announced(headers, limit)?;
        let room = self.buffers.acquire_many(u32::try_from(size.div_ceil(1024)).unwrap_or(u32::MAX));
        let room = match tokio::time::timeout(self.body_timeout, room).await {
            Ok(Ok(room)) => room,
            Ok(Err(_)) | Err(_) => return Err(HookError::TooManyRequests),
        };
        let bytes = body::receive(body, limit, self.body_timeout).await?;
        if bytes.is_empty() {
            return Err(HookError::EmptyBody);
        }
        negotiate::check_content_type(headers)?;
        Ok(Content { bytes, _room: room })
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    pub(crate) fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    pub(crate) fn store(&self) -> &dyn MessageStore {
        &*self.store
    }

    pub(crate) fn shared_store(&self) -> &Arc<dyn MessageStore> {
        &self.store
    }

    pub(crate) fn locks(&self) -> &PatientLocks {
        &self.locks
    }

    /// The ordering group of a patient's messages.
    pub(crate) fn group(&self, patient: &PatientKey) -> GroupId {
        match self.ordering {
            OrderingScope::Patient => GroupId::digest(&[write::SOURCE, patient.id()]),
            OrderingScope::Destination => GroupId::digest(&[&self.destination]),
        }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on requests are refused.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.writes.close();
    }

    /// Waits for the writes that have begun.
    pub(crate) async fn settled(&self) {
        if tokio::time::timeout(self.request_timeout, self.writes.wait()).await.is_err() {
            tracing::warn!(writes = self.writes.len(), "writes are still under way");
        }
    }
}

/// A body, and its share of the room for bodies until the request is answered.
struct Content<'h> {
    bytes: bytes::Bytes,
    _room: SemaphorePermit<'h>,
}

/// Reads a Patient; what is inside is for the mapping to judge.
fn patient(content: &[u8]) -> Result<Map<String, Value>, HookError> {
    let resource = body::parse_object(content)?;
    match resource.get("resourceType") {
        None | Some(Value::Null) => Err(HookError::ResourceTypeMissing),
        Some(Value::String(kind)) if kind == "Patient" => Ok(resource),
        Some(kind) => {
            let kind = kind.as_str().and_then(resource_types::known);
            Err(HookError::ResourceTypeDiffers { body: kind, path: "Patient" })
        }
    }
}

/// Names a write whose client named it: the same name with other content is another write.
fn fingerprint(headers: &HeaderMap, verb: Verb, content: &[u8]) -> Option<String> {
    let key = negotiate::request_key(headers)?;
    let mut hash = Sha256::new();
    hash.update(key.as_bytes());
    hash.update([verb as u8]);
    hash.update(content);
    Some(HEXLOWER.encode(&hash.finalize()))
}
