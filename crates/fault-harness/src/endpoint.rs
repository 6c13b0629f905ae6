//! A hospital's listener with a script, on raw sockets.
//!
//! It keeps what it read, byte for byte, and says which of it counts as stored, so that an oracle needs no word
//! from the sender. Frames, control ids and acknowledgments are read and written by hand here.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use fault_harness::endpoint::{Endpoint, Reply, Script, Step, When};
//!
//! // The first message is stored, and its acknowledgment never comes.
//! let script = Script::accept().rule(When::Nth(1), vec![Step::Store, Step::Stall]);
//! let endpoint = Endpoint::start(script).await?;
//! assert!(endpoint.received().is_empty());
//! endpoint.script(Script::always(vec![Step::Reply(Reply::new("AE").error("207", "E"))]));
//! # Ok(()) }
//! ```

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ServerConfig;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{port::Port, watched::Watched};

mod connection;
mod script;

pub use script::{AckId, Arrival, Reply, Rule, Script, Step, When};

/// A running endpoint. Dropping it resets its connections.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// How connections are secured.
#[derive(Clone, Default)]
pub enum Security {
    /// Not at all.
    #[default]
    Plain,
    /// TLS with this configuration (see [`crate::certificates`]).
    Tls(Arc<ServerConfig>),
    /// Reads the client's hello and never answers.
    StalledHandshake,
    /// Reads the client's hello and resets.
    AbortedHandshake,
    /// Answers the client's hello with a hello of TLS 1.1.
    OldVersion,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls",
            Self::StalledHandshake => "StalledHandshake",
            Self::AbortedHandshake => "AbortedHandshake",
            Self::OldVersion => "OldVersion",
        })
    }
}

/// A frame the endpoint read. `Debug` leaves the body out.
#[derive(Clone)]
pub struct Received {
    /// From 1, over all connections, in the order of arrival.
    pub number: u64,
    /// Which connection, from 1.
    pub connection: u64,
    /// MSH-10.
    pub control_id: String,
    /// Without the framing.
    pub body: Vec<u8>,
    /// When the last byte was read.
    pub at: Instant,
    /// The position among the stored messages, from 1; `None` when it was not stored.
    pub stored: Option<u64>,
    /// MSA-1 of every acknowledgment written in answer, whole or not.
    pub replies: Vec<String>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, connection, control_id, body, stored, replies, .. } = self;
        write!(f, "Received {{ {number} on {connection}: {control_id}, {} bytes, ", body.len())?;
        write!(f, "stored: {stored:?}, replies: {replies:?} }}")
    }
}

/// A connection the endpoint saw.
#[derive(Debug, Clone)]
pub struct ConnectionRecord {
    /// From 1.
    pub number: u64,
    /// When it was accepted.
    pub at: Instant,
    /// Bytes read outside frames, and frames cut short. Under TLS: after decryption.
    pub stray_bytes: usize,
    /// Why the handshake failed.
    pub handshake_error: Option<String>,
    /// Whether it is over.
    pub ended: bool,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    connections: Vec<ConnectionRecord>,
    seen: HashMap<String, u64>,
    stored: u64,
    script: Script,
    security: Security,
}

#[derive(Debug)]
struct Shared {
    state: Watched<State>,
    /// Rises when held frames may go on.
    released: watch::Sender<u64>,
    outage: watch::Sender<Outage>,
}

/// Whether the port listens. A change of `crashes` resets every connection.
#[derive(Debug, Clone, Copy, Default)]
struct Outage {
    crashes: u64,
    until: Option<Instant>,
    down: bool,
}

impl Endpoint {
    /// Listens on a free loopback port, in the clear.
    ///
    /// # Errors
    /// No port could be bound.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_with(script, Security::Plain).await
    }

    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// No port could be bound.
    pub async fn start_with(script: Script, security: Security) -> io::Result<Self> {
        let port = Port::claim()?;
        let address = port.address();
        let shared = Arc::new(Shared {
            state: Watched::new(State { script, security, ..State::default() }),
            released: watch::Sender::default(),
            outage: watch::Sender::default(),
        });
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let listener = port.listen()?;
        tracker.spawn(accept(port, listener, Arc::clone(&shared), stop.clone(), tracker.clone()));
        Ok(Self { address, shared, stop })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the script; frames in work keep their steps.
    pub fn script(&self, script: Script) {
        self.shared.state.change(|state| state.script = script);
    }

    /// Replaces the security of new connections.
    pub fn security(&self, security: Security) {
        self.shared.state.change(|state| state.security = security);
    }

    /// Lets all frames at [`Step::Hold`] go on.
    pub fn release(&self) {
        self.shared.released.send_modify(|released| *released += 1);
    }

    /// Resets all connections and refuses new ones until [`up`](Self::up).
    pub fn down(&self) {
        self.shared.outage.send_modify(|outage| {
            outage.crashes += 1;
            outage.down = true;
        });
    }

    /// Listens again.
    pub fn up(&self) {
        self.shared.outage.send_modify(|outage| outage.down = false);
    }

    /// Every whole frame read so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state.lock().received.clone()
    }

    /// The stored messages in the order they were stored, repeats included.
    pub fn stored(&self) -> Vec<Received> {
        let mut stored: Vec<Received> = self
            .shared
            .state
            .lock()
            .received
            .iter()
            .filter(|received| received.stored.is_some())
            .cloned()
            .collect();
        stored.sort_by_key(|received| received.stored);
        stored
    }

    /// How many messages were stored, repeats included.
    pub fn stored_count(&self) -> u64 {
        self.shared.state.lock().stored
    }

    /// Every connection so far.
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.shared.state.lock().connections.clone()
    }

    /// Waits until `condition` holds for the endpoint; false when the deadline passed before.
    pub async fn wait_until(&self, deadline: Duration, mut condition: impl FnMut(&Self) -> bool) -> bool {
        self.shared.state.wait_until(deadline, || condition(self)).await
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn crash(&self, time: Duration) {
        self.outage.send_modify(|outage| {
            outage.crashes += 1;
            outage.until = Some(Instant::now() + time);
        });
    }
}

/// VT, the body, FS, CR.
pub fn frame(body: &[u8]) -> Vec<u8> {
    [&[VT], body, &[FS, CR]].concat()
}

/// MSH-10 of a message, empty when it has none.
pub fn control_id(body: &[u8]) -> String {
    let separator = body.get(3).copied().unwrap_or(b'|');
    let header = body.split(|&byte| byte == CR).next().unwrap_or_default();
    let field = header.split(|&byte| byte == separator).nth(9).unwrap_or_default();
    String::from_utf8_lossy(field).into_owned()
}

async fn accept(
    port: Port,
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut listener = Some(listener);
    let mut outage = shared.outage.subscribe();
    loop {
        let now = *outage.borrow_and_update();
        let wait = now.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if now.down || !wait.is_zero() {
            listener = None;
        } else if listener.is_none() {
            listener = port.listen().ok();
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await.ok(),
                None if now.down => std::future::pending().await,
                None => {
                    tokio::time::sleep(wait.max(RELISTEN)).await;
                    None
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = outage.changed() => {}
            accepted = accepted => if let Some((stream, _)) = accepted {
                let crashes = now.crashes;
                tracker.spawn(connection::run(stream, Arc::clone(&shared), stop.clone(), crashes));
            },
        }
    }
}

const VT: u8 = 0x0B;
const FS: u8 = 0x1C;
const CR: u8 = 0x0D;

/// Pause before the port is tried again, should the system not give it back at once.
const RELISTEN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;
