//! An HL7 endpoint for tests: stores what it receives, then acknowledges.
//!
//! Listens for MLLP over TLS, over plain TCP, or both. A message is acknowledged with AA only after the store
//! has made it durable: the message itself, once and for good, and for ADT events that describe a patient also as
//! that patient's current message, unless a newer one is there.
//!
//! | Event | Becomes the current message of |
//! |---|---|
//! | A01 A04 A05 A08 A28 A31 | the patient in PID-3 |
//! | A23 A29 | the patient in PID-3: from now on deleted |
//! | A40 | the retired patient in MRG-1; the survivor's stays |
//! | any other ADT event | nobody |
//!
//! A patient's logical id is the repetition of type `FW` (CX.5).
#![warn(missing_docs)]

use std::sync::Arc;

use message_store::MessageStore;
use mllp::server::Server;
use mllp::{Limits, ServerTls};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod acknowledge;
mod batch;
mod config;
mod control_id;
mod error;
mod order;
mod patient;
mod receive;

pub use config::{Config, DEFAULTS, ServiceConfig};
pub use error::Error;

use receive::Receiver;

/// What the server works with.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// Where messages are kept.
    pub store: Arc<dyn MessageStore>,
}

/// Bound listeners; at least one of them is needed.
#[derive(Debug)]
pub struct Listeners {
    /// MLLP over TLS.
    pub tls: Option<TcpListener>,
    /// MLLP in clear.
    pub plain: Option<TcpListener>,
}

impl Listeners {
    /// Binds the addresses of the configuration.
    ///
    /// # Errors
    /// [`Error::Listen`] names the address.
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        let tls = match &config.tls {
            Some(_) => Some(bind(&config.listen).await?),
            None => None,
        };
        let plain = match &config.listen_plain {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { tls, plain })
    }
}

/// Serves until shutdown; returns when every message received has its reply.
///
/// # Errors
/// Before anything is accepted, when the TLS files cannot be used.
pub async fn run(
    config: Config,
    deps: Dependencies,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let limits = Limits::from(&config.limits);
    let tls = match (&listeners.tls, &config.tls) {
        (None, _) => None,
        (Some(_), None) => return Err(Error::NoTls),
        (Some(_), Some(files)) => Some(ServerTls::new(files)?),
    };
    let receiver = Arc::new(Receiver::new(deps.store, &config));
    let tracker = TaskTracker::new();
    if let (Some(listener), Some(tls)) = (listeners.tls, tls) {
        announce(&listener, "MLLP over TLS");
        let server = Server::new(Arc::clone(&receiver), limits, Some(tls.clone()));
        tracker.spawn(server.serve(listener, shutdown.clone()));
        let stop = shutdown.clone();
        tracker.spawn(async move { tls.files().watch(mllp::tls::POLL_INTERVAL, stop).await });
    }
    if let Some(listener) = listeners.plain {
        announce(&listener, "MLLP without TLS");
        tracker.spawn(Server::new(receiver, limits, None).serve(listener, shutdown));
    }
    tracker.close();
    tracker.wait().await;
    Ok(())
}

async fn bind(address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address: address.to_owned(), source })
}

fn announce(listener: &TcpListener, protocol: &'static str) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening for {protocol} on {address}");
    }
}
