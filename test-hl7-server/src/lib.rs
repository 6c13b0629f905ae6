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
//! A patient's logical id is the repetition of type `FW` (CX.5). A batch is taken apart and answered by a batch.
//!
//! For tests of senders the server can also be made to misbehave, see `docs/reference/test-server.md`; nothing of that is active
//! unless `[receiver.faults]`, or an operator of the inspector, asks for it. The inspector ([`Inspection`]) shows what
//! came; it is told of everything and decides nothing.
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
mod faults;
mod inspection;
mod metrics;
mod order;
mod patient;
mod receive;

pub use config::{Config, FaultsConfig, MANUAL, ServiceConfig};
pub use error::Error;
pub use faults::{Exit, Scenario, ScenarioError};
pub use inspection::Inspection;
pub use metrics::METRICS;

use faults::{Control, Faulty};
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

/// What the server may have beside the configuration: for faults, and for looking at what came.
#[derive(Debug, Default)]
pub struct Equipment {
    /// Pages and API over what is received; with it the page controls the faults too.
    pub inspection: Option<Inspection>,
    /// Where fault control listens; `receiver.faults.admin` is bound when absent. Must be on loopback.
    pub admin: Option<TcpListener>,
    /// How a scenario ends the process. Without it a scenario that wants to is refused.
    pub exit: Option<Exit>,
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
    run_with(config, deps, listeners, Equipment::default(), shutdown).await
}

/// As [`run`], for a process that scenarios may end, or a caller that needs the admin port.
///
/// # Errors
/// Before anything is accepted, when the TLS files or the scenario cannot be used.
pub async fn run_with(
    config: Config,
    deps: Dependencies,
    listeners: Listeners,
    equipment: Equipment,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Equipment { inspection, admin, exit } = equipment;
    let tls = match (&listeners.tls, &config.tls) {
        (None, _) => None,
        (Some(_), None) => return Err(Error::NoTls),
        (Some(_), Some(files)) => Some(ServerTls::new(files)?),
    };
    let service = Service {
        limits: Limits::from(&config.limits),
        receiver: Arc::new(Receiver::new(deps.store, &config, inspection.as_ref().map(Inspection::feed))),
        tracker: TaskTracker::new(),
        shutdown,
    };
    let controls_faults = inspection.as_ref().is_some_and(|inspection| inspection.controls_faults);
    let faulty = if config.faults.is_enabled() || controls_faults {
        Some(service.faulty(&config.faults, admin, exit).await?)
    } else {
        None
    };
    if let Some(inspection) = inspection {
        announce(&inspection.listener, "the inspector");
        let control = faulty.as_ref().map(|faulty| Arc::clone(&faulty.control));
        service.tracker.spawn(inspection.serve(control, service.shutdown.clone()));
    }
    if let (Some(listener), Some(tls)) = (listeners.tls, tls) {
        announce(&listener, "MLLP over TLS");
        measure_certificate(&tls);
        service.serve(listener, Some(tls.clone()), faulty.as_ref());
        let stop = service.shutdown.clone();
        service.tracker.spawn(async move { tls.files().watch(mllp::POLL_INTERVAL, stop).await });
    }
    if let Some(listener) = listeners.plain {
        announce(&listener, "MLLP without TLS");
        service.serve(listener, None, faulty.as_ref());
    }
    service.tracker.close();
    service.tracker.wait().await;
    Ok(())
}

struct Service {
    limits: Limits,
    receiver: Arc<Receiver>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Service {
    /// The one place where faults come in: without them the receiver answers, with them what is around it.
    fn serve(&self, listener: TcpListener, tls: Option<ServerTls>, faulty: Option<&Arc<Faulty>>) {
        let (limits, shutdown) = (self.limits, self.shutdown.clone());
        match faulty {
            None => {
                let server = Server::new(Arc::clone(&self.receiver), limits, tls);
                self.tracker.spawn(server.serve(listener, shutdown));
            }
            Some(faulty) => {
                let (handler, control) = (Arc::clone(faulty), Arc::clone(&faulty.control));
                let server = move || Server::new(Arc::clone(&handler), limits, tls.clone());
                self.tracker.spawn(faults::outage::serve(server, listener, control, shutdown));
            }
        }
    }

    async fn faulty(
        &self,
        config: &FaultsConfig,
        admin: Option<TcpListener>,
        exit: Option<Exit>,
    ) -> Result<Arc<Faulty>, Error> {
        let scenario = config.scenario.as_deref().map(Scenario::load).transpose()?.unwrap_or_default();
        let admin = match (admin, config.admin) {
            (Some(admin), _) => Some(admin),
            (None, Some(address)) => Some(bind(&address.to_string()).await?),
            (None, None) => None,
        };
        let is_local =
            |admin: &TcpListener| admin.local_addr().is_ok_and(|address| address.ip().is_loopback());
        if !admin.as_ref().is_none_or(is_local) {
            return Err(Error::AdminNotLocal);
        }
        let control = Arc::new(Control::new(scenario, exit)?);
        if config.is_enabled() {
            tracing::warn!("faults are enabled: this endpoint misbehaves on purpose");
        }
        if let Some(admin) = admin {
            announce(&admin, "fault control");
            self.tracker.spawn(faults::admin::serve(admin, Arc::clone(&control), self.shutdown.clone()));
        }
        Ok(Arc::new(Faulty {
            receiver: Arc::clone(&self.receiver),
            control,
            tracker: self.tracker.clone(),
            shutdown: self.shutdown.clone(),
        }))
    }
}

/// Our own certificate may be replaced at any time.
fn measure_certificate(tls: &ServerTls) {
    let tls = tls.clone();
    service::metrics::when_read("receiver certificate", move || {
        if let Some(certificate) = &tls.files().current().certificate {
            credentials::tell_expiry("receiver", certificate);
        }
        std::future::ready(())
    });
}

async fn bind(address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address: address.to_owned(), source })
}

fn announce(listener: &TcpListener, protocol: &'static str) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "listening for {protocol} on {address}");
    }
}
