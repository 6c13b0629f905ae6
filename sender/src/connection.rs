//! One connection to the endpoint: down, connecting, idle, busy. One task each, one message on the wire.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mllp::{Connection, client::Idle};
use tokio::{sync::watch, time::Instant};

use crate::{application, backoff::jittered, breaker::State, delivery, shared::Shared, table::Held};

/// Delay before the next connect while the breaker is closed: full jitter between zero and these.
const CONNECT_BASE: Duration = Duration::from_millis(250);
const CONNECT_CAP: Duration = Duration::from_secs(60);

/// A connection between two messages.
pub(crate) struct Open {
    pub(crate) connection: Connection,
    pub(crate) opened_at: Instant,
    pub(crate) used_at: Instant,
    /// Whether a message was answered on it.
    pub(crate) proven: bool,
}

/// Why an idle connection ends or a message starts.
enum Next {
    Message(Box<Held>),
    Shutdown,
    Recycle(&'static str),
    Gone(Idle),
}

/// Runs until shutdown. The task with `probing` set also tries the endpoint while the breaker is open.
pub(crate) async fn run(shared: Arc<Shared>, probing: bool) {
    let mut failures = 0;
    while !shared.shutdown.is_cancelled() {
        let Some(open) = connect(&shared, probing, &mut failures).await else { return };
        let accepted = serve(&shared, open).await;
        failures = if accepted { 0 } else { failures + 1 };
    }
}

/// Connects when there is a use for it; `None` at shutdown.
async fn connect(shared: &Shared, probing: bool, failures: &mut u32) -> Option<Open> {
    loop {
        if *failures > 0 && shared.breaker_state() == State::Closed {
            let delay = jittered(CONNECT_BASE, CONNECT_CAP, *failures - 1);
            shared.shutdown.run_until_cancelled(tokio::time::sleep(delay)).await?;
        }
        shared.shutdown.run_until_cancelled(shared.wanted(probing)).await?;
        let began = Instant::now();
        let connecting = shared.metrics.connection("connecting");
        let connected = shared.shutdown.run_until_cancelled(shared.connector.connect()).await;
        drop(connecting);
        match connected? {
            Ok(connection) => {
                let now = Instant::now();
                tracing::debug!(mllp.peer = %connection.peer(), duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), "connected");
                shared.metrics.connected(&connection);
                shared.counts.connections.fetch_add(1, Ordering::Relaxed);
                shared.breaker(|breaker, now| breaker.connected(now));
                return Some(Open { connection, opened_at: now, used_at: now, proven: false });
            }
            Err(error) => {
                *failures += 1;
                shared.metrics.connect_failed(&error);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(
                    %error,
                    cause = source,
                    mllp.peer = shared.config.endpoint.address,
                    failures,
                    "connecting failed"
                );
                shared.breaker(|breaker, now| breaker.connect_failed(error.needs_configuration(), now));
            }
        }
    }
}

/// Sends messages until the connection ends; whether any was accepted.
async fn serve(shared: &Arc<Shared>, mut open: Open) -> bool {
    let mut new_files = shared.connector.tls().map(|tls| tls.files().subscribe());
    let mut accepted = false;
    let mut counted = shared.metrics.connection("idle");
    loop {
        let recycle_at = (open.used_at + shared.config.idle_timeout)
            .min(open.opened_at + shared.config.max_connection_age);
        let ready_at = open.proven.then(|| open.used_at + shared.config.min_gap);
        let next = match at_once(shared, &open, new_files.as_ref(), recycle_at, ready_at) {
            Some(held) => Next::Message(Box::new(held)),
            None => {
                counted.becomes("idle");
                tokio::select! {
                    biased;
                    () = shared.shutdown.cancelled() => Next::Shutdown,
                    gone = open.connection.idle() => Next::Gone(gone),
                    () = shared.opened() => Next::Recycle("paused"),
                    () = changed(&mut new_files) => Next::Recycle("new TLS files"),
                    () = tokio::time::sleep_until(recycle_at) => Next::Recycle("idle or old"),
                    held = message(shared, ready_at) => Next::Message(Box::new(held)),
                }
            }
        };
        match next {
            Next::Message(held) => {
                counted.becomes("busy");
                let finished = delivery::deliver(shared, open, *held).await;
                accepted |= finished.accepted;
                match finished.connection {
                    Some(kept) => open = kept,
                    None => return accepted,
                }
            }
            Next::Shutdown => {
                open.connection.close().await;
                return accepted;
            }
            Next::Recycle(reason) => {
                tracing::debug!(mllp.peer = %open.connection.peer(), reason, "closing the connection");
                open.connection.close().await;
                return true;
            }
            Next::Gone(Idle::Closed(error)) => {
                let error = error.map(|error| error.to_string());
                tracing::debug!(mllp.peer = %open.connection.peer(), error, "the endpoint closed the idle connection");
                if !open.proven {
                    shared.breaker(|breaker, now| breaker.connect_failed(false, now));
                }
                return accepted || open.proven;
            }
            Next::Gone(Idle::Unsolicited) if application::hear(shared, &mut open).await => {}
            Next::Gone(Idle::Unsolicited) => {
                tracing::warn!(mllp.peer = %open.connection.peer(), "unsolicited bytes, closing the connection");
                open.connection.abort();
                return accepted || open.proven;
            }
        }
    }
}

/// The next message, where it is there and nothing else is to be done: between two messages nothing has to be armed.
/// What the endpoint may have said meanwhile is seen before the first byte.
fn at_once<T>(
    shared: &Shared,
    open: &Open,
    new_files: Option<&watch::Receiver<T>>,
    recycle_at: Instant,
    ready_at: Option<Instant>,
) -> Option<Held> {
    let now = Instant::now();
    let changed = new_files.is_some_and(|files| files.has_changed().unwrap_or(false));
    if !open.proven || changed || shared.shutdown.is_cancelled() || recycle_at <= now || ready_at? > now {
        return None;
    }
    shared.take().ok()
}

/// The next message, not before `ready_at`.
async fn message(shared: &Shared, ready_at: Option<Instant>) -> Held {
    if let Some(ready_at) = ready_at.filter(|at| *at > Instant::now()) {
        tokio::time::sleep_until(ready_at).await;
    }
    shared.next().await
}

async fn changed<T>(files: &mut Option<watch::Receiver<T>>) {
    if let Some(files) = files
        && files.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
