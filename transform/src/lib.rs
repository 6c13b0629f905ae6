//! The FHIR hook: Patient writes in, ADT messages onto the queue, reads out of the message store.
//!
//! Its surfaces are the persistence API of FHIR Works on AWS (`persistence`), FHIR's own REST interface with Bundles and
//! Subscription notifications (`fhir`), and one URL for senders that add no path (`webhook`). All of them come down to
//! one `write::Write`: it is compared with what was accepted of the patient before, turned into ADT (`mapping`), queued
//! and remembered. A 2xx means durable in the queue. A read answers from the message store, or from what was accepted
//! last, so that a read after a write never misses it.
//!
//! What a client may make of a status (all of them: `docs/reference/errors.md`):
//!
//! | status | meaning |
//! | --- | --- |
//! | 200, 201, 204 | done and durable, or known already |
//! | 202 | durable, and will be done |
//! | 401, 403 | who calls is not known, or may not: mend the configuration of one side |
//! | 400, 404, 405, 406, 410, 412, 413, 415, 422, 501 | final: the same request will be refused again |
//! | 408, 429, 500, 503 | may be sent again; 429 and 503 say when. Nothing was queued, unless a write outlasted `request_timeout`: name the request with `Idempotency-Key`, or tell its version, and its repeat is recognised |
//!
//! Writes of one patient are put in one order: by a lock within one process, and by conditional writes to the store where
//! several processes share it.
#![warn(missing_docs)]

mod answer;
mod audit;
mod auth;
mod backfill;
mod body;
mod config;
mod content;
mod envelope;
mod error;
mod fhir;
mod followed;
mod gate;
mod given;
mod hook;
mod lookup;
mod mapping;
mod metrics;
mod negotiate;
mod openapi;
mod outcome;
mod own_claims;
mod park;
mod patient_lock;
mod persistence;
mod planted;
mod rate;
mod record;
mod resource_types;
mod routes;
mod serve;
mod source;
mod stamp;
mod told;
mod unsaved;
mod webhook;
mod write;

use std::sync::Arc;

use clock::Clock;
use message_store::MessageStore;
use queue::Queue;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use auth::{
    AuthConfig, AuthConfigError, BearerConfig, ClientCertificateConfig, HookTlsConfig, JwtAlgorithm,
    JwtConfig, Permissions, RateConfig, SigV4Config, SignatureConfig,
};
pub use backfill::BackfillConfig;
pub use config::{Config, Handling, HookConfig, MANUAL, OnRefused, OrderingScope, Settings};
pub use error::{Error, HOOK_ANSWERS, HookAnswer};
pub use followed::{FollowedMessage, message_problems};
pub use metrics::METRICS;
pub use source::{
    AssertionAlgorithm, CatchUpConfig, CredentialsConfig, Export, ExportFile, History, HistoryError,
    JobsConfig, Page, SmartBackend, SourceConfig, SourceTls, SubscriptionConfig,
};

/// What the hook stands on.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// Takes the messages.
    pub queue: Arc<dyn Queue>,
    /// Holds what was delivered and what was accepted.
    pub store: Arc<dyn MessageStore>,
    /// Stamps the writes. Its wall clock may jump: the stamps of one patient rise all the same.
    pub clock: Clock,
}

/// Serves the hook on `listener` until `shutdown`, then finishes what is in flight.
///
/// New requests get 503 during the drain. A write that has begun is finished even when its client has gone.
///
/// # Errors
/// [`Error::Config`], [`Error::Mapping`], [`Error::Auth`] or [`Error::Tls`] before anything is served; [`Error::Queue`] when the queue broke for good:
/// then the process must exit and start again.
pub async fn run(
    config: Config,
    dependencies: Dependencies,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    run_following(config, None, dependencies, listener, shutdown).await
}

/// As [`run`], with a `[message]` section that follows its file: a change is used for the next write.
///
/// # Errors
/// As [`run`], and [`Error::Settings`].
pub async fn run_following(
    config: Config,
    message: Option<FollowedMessage>,
    dependencies: Dependencies,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    config.hook.check()?;
    let gate = Arc::new(gate::Gate::new(&config.hook, dependencies.clock.clone())?);
    let tls = config.hook.server_tls()?;
    let queue = Arc::clone(&dependencies.queue);
    measure_queue(&queue);
    let hook = Arc::new(hook::Hook::new(&config, message, dependencies)?);
    tls.as_ref().inspect(|tls| measure_certificate(tls));
    hook.sources().start(source::writer(&hook));
    let stop = shutdown.child_token();
    let mut serving = std::pin::pin!(serve::serve(hook, gate, tls, &config.hook, listener, stop.clone()));
    tokio::select! {
        () = &mut serving => Ok(()),
        error = queue.failed() => {
            stop.cancel();
            serving.await;
            Err(Error::Queue(error))
        }
    }
}

fn measure_queue(queue: &Arc<dyn Queue>) {
    let queue = Arc::clone(queue);
    service::metrics::when_read("queue", move || {
        let queue = Arc::clone(&queue);
        async move { queue::measure(&*queue).await }
    });
}

/// Our own certificate may be replaced at any time.
fn measure_certificate(tls: &credentials::ServerTls) {
    let tls = tls.clone();
    service::metrics::when_read("hook certificate", move || {
        if let Some(certificate) = &tls.files().current().certificate {
            credentials::tell_expiry("hook", certificate);
        }
        std::future::ready(())
    });
}
