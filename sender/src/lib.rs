//! From the queue over MLLP and TLS to the HL7 endpoint, and what its acknowledgments decide.
//!
//! A message leaves the queue only after a positive acknowledgment whose MSA-2 is its own MSH-10, or into the
//! dead letters with a reason. Until then the same bytes are sent again. Per group at most one message is on
//! the wire, and per connection at most one.
//!
//! | Task | Does |
//! |---|---|
//! | `poll` | receives from the queue while the breaker is closed and there is room |
//! | `connection`, one per connection | takes the next ready group, sends, waits, settles |
//! | `heartbeat` | extends every lease, hands back what waits too long |
//! | `leaving` | notes and deletes what was acknowledged, as many as wait together, their groups locked |
//! | `settle`, one per message whose removal failed | repeats the delete, its group locked |
//! | `application`, one per message in custody | waits for the application acknowledgment, its group locked |
#![warn(missing_docs)]

use std::sync::{Arc, atomic::Ordering};

use clock::Clock;
use mllp::Connector;
use queue::Queue;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod age;
mod application;
mod backoff;
mod breaker;
pub mod config;
mod confirm;
mod connection;
mod cut_off;
mod delivery;
mod disposition;
mod error;
mod foreign;
mod heartbeat;
mod leaving;
mod ledger;
mod metrics;
mod poll;
mod settle;
mod shared;
mod spans;
mod stop_point;
mod table;
mod turn;

pub use config::{Config, MANUAL};
pub use error::Error;
pub use metrics::METRICS;

use self::{breaker::State, ledger::Ledger, shared::Shared, stop_point::StopPoint};

/// What the sender needs, already built.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// Where messages come from.
    pub queue: Arc<dyn Queue>,
    /// Measures the leases and the age of messages.
    pub clock: Clock,
}

/// What the sender did until it stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages acknowledged.
    pub delivered: u64,
    /// Messages moved to the dead letters.
    pub dead: u64,
    /// Messages on the wire that were not answered in time; they will be sent again, byte for byte.
    pub ambiguous: u64,
    /// Connections made to the endpoint, with a TLS handshake each where TLS is on.
    pub connections: u64,
}

impl service::Finished for Summary {
    /// 3 when a message was left in doubt.
    fn exit_code(&self) -> u8 {
        if self.ambiguous > 0 { 3 } else { 0 }
    }
}

/// Delivers messages until `shutdown`, then lets what is on the wire be answered and hands the rest back.
///
/// # Errors
/// Settings that cannot work, and a queue that broke for good: the process must end then and recover on start.
///
/// # Cancel safety
/// Dropping the future drops the connections; leases end by themselves. Use `shutdown`.
pub async fn run(config: Config, deps: Dependencies, shutdown: CancellationToken) -> Result<Summary, Error> {
    deliver_all(config, deps, StopPoint::default(), shutdown).await
}

/// [`run`] for tests that stop it: `stop` is called after each check of a lease, before the first byte is written.
///
/// # Errors
/// As [`run`].
///
/// # Cancel safety
/// As [`run`].
#[cfg(feature = "stop-points")]
pub async fn run_stopping(
    config: Config,
    deps: Dependencies,
    stop: impl Fn() + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> Result<Summary, Error> {
    deliver_all(config, deps, StopPoint::new(stop), shutdown).await
}

async fn deliver_all(
    config: Config,
    deps: Dependencies,
    stop_point: StopPoint,
    shutdown: CancellationToken,
) -> Result<Summary, Error> {
    config.validate()?;
    let turn = match &config.single_active {
        None => None,
        Some(path) => {
            let turn = tokio::select! {
                turn = turn::take(path, &shutdown) => turn,
                error = deps.queue.failed() => return Err(Error::Queue(error)),
            };
            let turn = turn.map_err(|source| Error::Turn { path: path.clone(), source })?;
            let Some(turn) = turn else { return Ok(Summary::default()) };
            Some(turn)
        }
    };
    let connector = Connector::new(&config.endpoint)?;
    let ledger = Ledger::open(config.ledger.as_deref())
        .map_err(|source| Error::Ledger { path: config.ledger.clone().unwrap_or_default(), source })?;
    // Ours, so that a broken queue stops the tasks without telling the caller to shut down.
    let stop = shutdown.child_token();
    let shared =
        Arc::new(Shared::new(config, deps.clone(), connector, ledger, stop_point, turn, stop.clone()));
    measure_queue(&shared.queue);
    measure_certificate(&shared);
    tell_endpoint(&shared);
    let (no_more, settled) = (CancellationToken::new(), CancellationToken::new());
    let (work, leaving, background) = (TaskTracker::new(), TaskTracker::new(), TaskTracker::new());
    leaving.spawn(leaving::run(Arc::clone(&shared), no_more.clone()));
    leaving.close();
    work.spawn(poll::run(Arc::clone(&shared)));
    for number in 0..shared.config.connections {
        work.spawn(connection::run(Arc::clone(&shared), number == 0));
    }
    background.spawn(heartbeat::run(Arc::clone(&shared), settled.clone()));
    background.spawn(watch_files(Arc::clone(&shared)));
    work.close();
    background.close();
    tracing::info!(
        endpoint = shared.config.endpoint.address,
        tls = shared.config.endpoint.tls.enabled,
        "sending"
    );
    let finished = async {
        work.wait().await;
        shared.beside.close();
        shared.beside.wait().await;
        no_more.cancel();
        leaving.wait().await;
        // Deletes that failed are repeated there.
        shared.beside.wait().await;
    };
    let broken = tokio::select! {
        () = finished => None,
        error = deps.queue.failed() => Some(error),
    };
    stop.cancel();
    if let Some(error) = broken {
        no_more.cancel();
        settled.cancel();
        return Err(Error::Queue(error));
    }
    // The connections are closed by now, so nothing handed back can still be on its way.
    let receipts = shared.table(|table| table.forget_all_waiting());
    shared.release(&receipts).await;
    settled.cancel();
    background.wait().await;
    let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let counts = &shared.counts;
    let summary = Summary {
        delivered: count(&counts.delivered),
        dead: count(&counts.dead),
        ambiguous: count(&counts.ambiguous),
        connections: count(&counts.connections),
    };
    tracing::info!(summary.delivered, summary.dead, summary.ambiguous, "stopped sending");
    Ok(summary)
}

/// The hook of the same process may ask the same; one question is enough.
fn measure_queue(queue: &Arc<dyn Queue>) {
    let queue = Arc::clone(queue);
    service::metrics::when_read("queue", move || {
        let queue = Arc::clone(&queue);
        async move { queue::measure(&*queue).await }
    });
}

/// Our own certificate may be replaced at any time.
fn measure_certificate(shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    service::metrics::when_read("sender certificate", move || {
        let files = shared.upgrade().and_then(|shared| Some(shared.connector.tls()?.files().current()));
        if let Some(certificate) = files.as_ref().and_then(|files| files.certificate.as_ref()) {
            credentials::tell_expiry("sender", certificate);
        }
        std::future::ready(())
    });
}

/// An endpoint that is away does not make this process unready; it is told all the same.
fn tell_endpoint(shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    service::health::tell("endpoint", move || match shared.upgrade().map(|shared| shared.breaker_state()) {
        None => "stopped".to_owned(),
        Some(State::Closed) => "sending".to_owned(),
        Some(State::Open { cause, .. }) => format!("paused: {}", cause.as_str()),
        Some(State::HalfOpen { cause, .. }) => format!("tried again after: {}", cause.as_str()),
    });
}

/// New TLS files replace the old ones as soon as they are good, and are tried at once.
async fn watch_files(shared: Arc<Shared>) {
    let Some(tls) = shared.connector.tls() else { return };
    let mut current = tls.files().subscribe();
    let probe = async {
        while current.changed().await.is_ok() {
            shared.breaker(|breaker, now| breaker.probe_now(now));
        }
    };
    tokio::select! {
        () = tls.files().watch(mllp::POLL_INTERVAL, shared.shutdown.clone()) => {}
        () = probe => {}
    }
}
