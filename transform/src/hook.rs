//! One request: who is asked, for what, and what comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, request::Parts},
    response::Response,
};
use clock::Clock;
use data_encoding::HEXLOWER;
use message_store::{MessageStore, PatientKey};
use queue::{GroupId, Queue};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    BackfillConfig, Config, Dependencies, Error, FollowedMessage, Handling, OnRefused, OrderingScope,
    backfill::{self, Pace},
    body,
    error::HookError,
    fhir::{self, notification::Progress},
    followed::CurrentMapping,
    given::{Given, Id},
    mapping::Mapping,
    metrics::Metrics,
    negotiate,
    own_claims::OwnClaims,
    patient_lock::PatientLocks,
    persistence,
    routes::{self, Place, Surface},
    source::Sources,
    unsaved::Unsaved,
    write::{self, Origin, Outcome, Verb, Write},
};

/// What all requests share.
pub(crate) struct Hook {
    mapping: CurrentMapping,
    metrics: Arc<Metrics>,
    queue: Arc<dyn Queue>,
    store: Arc<dyn MessageStore>,
    clock: Clock,
    locks: PatientLocks,
    ordering: OrderingScope,
    destination: String,
    base: String,
    lenient: bool,
    parks: bool,
    skip_unsupported: bool,
    max_body_bytes: usize,
    body_timeout: Duration,
    request_timeout: Duration,
    requests: Semaphore,
    max_requests: usize,
    /// KiB of bodies that may be in memory.
    buffers: Semaphore,
    unsaved: Unsaved,
    own_claims: OwnClaims,
    /// What subscriptions have told of themselves.
    progress: Progress,
    /// Writes that have begun; they outlive their client's connection.
    writes: TaskTracker,
    draining: AtomicBool,
    sources: Sources,
    backfill: BackfillConfig,
    pace: Pace,
}

impl Hook {
    pub(crate) fn new(
        config: &Config,
        message: Option<FollowedMessage>,
        dependencies: Dependencies,
    ) -> Result<Self, Error> {
        let hook = &config.hook;
        let sources = Sources::new(&hook.source, &hook.jobs, Arc::clone(&dependencies.store))?;
        let metrics = Arc::new(Metrics::new());
        let (destination, measured) = (hook.destination.clone(), Arc::clone(&metrics));
        let make = move |message| Mapping::new(message, destination.clone(), Arc::clone(&measured));
        let mapping = CurrentMapping::new(config.message.clone(), message, make)?;
        Ok(Self {
            mapping,
            metrics,
            queue: dependencies.queue,
            store: dependencies.store,
            clock: dependencies.clock,
            locks: PatientLocks::default(),
            ordering: hook.ordering,
            destination: hook.destination.clone(),
            base: hook.base().to_owned(),
            lenient: hook.handling == Handling::Lenient,
            max_body_bytes: hook.max_body_bytes,
            body_timeout: hook.body_timeout,
            request_timeout: hook.request_timeout,
            requests: Semaphore::new(hook.max_requests),
            max_requests: hook.max_requests,
            buffers: Semaphore::new(hook.max_buffered_bytes / 1024),
            unsaved: Unsaved::default(),
            own_claims: OwnClaims::default(),
            progress: Progress::default(),
            parks: hook.on_refused == OnRefused::Park,
            skip_unsupported: hook.skip_unsupported,
            writes: TaskTracker::new(),
            draining: AtomicBool::new(false),
            sources,
            backfill: hook.backfill.clone(),
            pace: Pace::new(hook.backfill.rate),
        })
    }

    /// Answers one request.
    pub(crate) async fn handle(self: &Arc<Self>, request: Request) -> Response {
        let surface = Surface::of(&self.base, request.uri().path());
        self.answer(request).await.unwrap_or_else(|error| error.respond(surface))
    }

    async fn answer(self: &Arc<Self>, request: Request) -> Result<Response, HookError> {
        if self.is_draining() {
            return Err(HookError::Draining);
        }
        let (parts, body) = request.into_parts();
        // A request with a body counts once that is here: who is slow to send takes no place of those who are not.
        let counts = !matches!(parts.method, Method::POST | Method::PUT);
        let _place = if counts { Some(self.admit()?) } else { None };
        let place = routes::place(&self.base, parts.uri.path())?;
        if place == Place::Backfill {
            return backfill::answer(self, &parts, body);
        }
        if !negotiate::check_format(parts.uri.query())? {
            negotiate::check_accept(&parts.headers)?;
        }
        match place {
            Place::Persistence(resources) => persistence::answer(self, resources, &parts, body).await,
            place => fhir::answer(self, place, &parts, body).await,
        }
    }

    /// A write as its request says, with everything else at its default.
    pub(crate) fn write(
        &self,
        headers: &HeaderMap,
        verb: Verb,
        patient: PatientKey,
        resource: Option<Given>,
    ) -> Write {
        Write {
            verb,
            patient,
            resource,
            told: None,
            replay: false,
            origin: Origin::Live,
            request: None,
            traceparent: negotiate::traceparent(headers),
            if_match: negotiate::if_match(headers),
            only_if_new: negotiate::only_if_new(headers),
            lenient: negotiate::lenient(headers).unwrap_or(self.lenient),
        }
    }

    /// Runs a write to its end on a task of its own, and waits for it as long as a client may wait.
    pub(crate) async fn apply(self: &Arc<Self>, write: Write) -> Result<Outcome, HookError> {
        let trace = negotiate::trace_id(&write.traceparent).to_owned();
        self.run(trace, write::perform(Arc::clone(self), write)).await
    }

    /// Runs work to its end even when its client goes away.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        trace: String,
        work: impl Future<Output = Result<T, HookError>> + Send + 'static,
    ) -> Result<T, HookError> {
        let work = self.writes.spawn(work.in_current_span());
        match tokio::time::timeout(self.request_timeout, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(HookError::Internal { trace, reason: "a write panicked" }),
            Err(_) => Err(HookError::WriteTimeout),
        }
    }

    /// Begins work that outlives its request; shutdown waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.writes.spawn(work);
    }

    /// Reads the body as far as there is room for it.
    pub(crate) async fn receive(&self, parts: &Parts, body: Body) -> Result<Content<'_>, HookError> {
        let headers = &parts.headers;
        let limit = self.max_body_bytes;
        body::check_announced(headers, limit)?;
        let (bytes, room) = body::receive(body, limit, &self.buffers, self.body_timeout).await?;
        Ok(Content { bytes, _room: room, _place: self.admit()? })
    }

    fn admit(&self) -> Result<SemaphorePermit<'_>, HookError> {
        self.requests.try_acquire().map_err(|_| HookError::TooManyRequests)
    }

    /// The mapping of this moment; a write takes it once.
    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        self.mapping.get()
    }

    /// Follows the settings file until `shutdown`.
    pub(crate) async fn watch_mapping(&self, shutdown: CancellationToken) {
        self.mapping.watch(shutdown).await;
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
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

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
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

    pub(crate) fn unsaved(&self) -> &Unsaved {
        &self.unsaved
    }

    pub(crate) fn own_claims(&self) -> &OwnClaims {
        &self.own_claims
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether refused bodies are kept.
    pub(crate) fn parks(&self) -> bool {
        self.parks
    }

    /// Whether a transaction leaves out what is not a Patient.
    pub(crate) fn skips_unsupported(&self) -> bool {
        self.skip_unsupported
    }

    pub(crate) fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        self.body_timeout
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn backfill(&self) -> &BackfillConfig {
        &self.backfill
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Requests that are being answered at this moment.
    pub(crate) fn live_requests(&self) -> usize {
        self.max_requests.saturating_sub(self.requests.available_permits())
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
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
        self.sources.stop().await;
        if tokio::time::timeout(self.request_timeout, self.writes.wait()).await.is_err() {
            tracing::warn!(writes = self.writes.len(), "writes are still under way");
        }
    }
}

/// A body, with its share of the room for bodies and its place among the requests until it is answered.
pub(crate) struct Content<'h> {
    pub(crate) bytes: bytes::Bytes,
    _room: Option<SemaphorePermit<'h>>,
    _place: SemaphorePermit<'h>,
}

impl Content<'_> {
    /// Where a body is needed, and must be JSON.
    pub(crate) fn json(self, headers: &HeaderMap) -> Result<Self, HookError> {
        if self.bytes.is_empty() {
            return Err(HookError::EmptyBody);
        }
        negotiate::check_content_type(headers).map(|()| self)
    }
}

/// The id in the body must be the one of the path.
pub(crate) fn check_id(patient: &PatientKey, id: &Id) -> Result<(), HookError> {
    let differs = |missing| HookError::IdDiffers { path: patient.id().to_owned(), missing };
    match id {
        Id::Missing => Err(differs(true)),
        Id::Text(id) if id == patient.id() => Ok(()),
        Id::Text(id) if PatientKey::new(id).is_err() => Err(HookError::InvalidId),
        Id::Text(_) | Id::Other => Err(differs(false)),
    }
}

/// Names a new patient. The repeat of a named request gets the name it was given before.
pub(crate) fn new_patient(request: Option<&str>) -> Result<PatientKey, HookError> {
    let seed = request.map_or_else(rand::random, |request| {
        let hash: [u8; 32] = Sha256::digest(request.as_bytes()).into();
        std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default())
    });
    let id = uuid::Builder::from_random_bytes(seed).into_uuid().to_string();
    PatientKey::new(&id).map_err(|_| HookError::InvalidId)
}

/// Names a write whose client named it: the same name with other content is another write.
pub(crate) fn fingerprint(headers: &HeaderMap, verb: Verb, content: &[u8]) -> Option<String> {
    let key = negotiate::request_key(headers)?;
    let mut hash = Sha256::new();
    hash.update(key.as_bytes());
    hash.update([verb as u8]);
    hash.update(content);
    Some(HEXLOWER.encode(&hash.finalize()))
}
