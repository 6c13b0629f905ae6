//! A listener: frames in, replies out, limits for every peer.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::codec::{CodecError, Frame, Trailer};
use crate::config::ServerConfig;
use credentials::CertificateInfo;
use credentials::ServerTls;

mod connection;
mod pace;
mod reply;
mod room;
mod statistics;

use connection::Serving;
pub use reply::{Arrival, Ending, Opening, Reply, Step};
use room::Room;
pub use statistics::{Count, Statistics};

/// What answers the frames.
pub trait Handler: Send + Sync + 'static {
    /// Answers one frame. The connection is not read while this runs, so a slow handler slows its peer down.
    /// Not cancelled by shutdown: it has to bound its own time.
    fn handle(&self, peer: &Peer, frame: Frame) -> impl Future<Output = Reply> + Send;

    /// A last payload for a peer whose bytes cannot be read any further, such as a frame over the limit.
    fn unreadable(&self, peer: &Peer, error: &CodecError) -> Option<Vec<u8>>;

    /// Told of everything that the listener counts, as it happens.
    fn counted(&self, _count: Count) {}

    /// Decides what a new connection meets, before its handshake. Only test equipment needs another answer than
    /// the default.
    fn arrive(&self, _address: SocketAddr) -> Arrival {
        Arrival::default()
    }
}

/// Who sent a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// The certificate it showed, under mutual TLS.
    pub certificate: Option<CertificateInfo>,
    /// What [`Arrival::connection`] said; zero unless the handler numbers its connections.
    pub connection: u64,
}

/// The limits of a listener; none has a default here. See [`ServerConfig`] for usual values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Largest payload.
    pub frame_bytes: usize,
    /// From the end of one frame (or of the handshake) to the start of the next.
    pub idle: Duration,
    /// Between two reads inside a frame.
    pub between_bytes: Duration,
    /// For a whole frame, from its first byte.
    pub frame: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For writing one reply.
    pub write: Duration,
    /// Which ends of a block are accepted.
    pub trailer: Trailer,
}

/// A listener that has not started.
#[derive(Debug)]
pub struct Server<H> {
    handler: Arc<H>,
    limits: Limits,
    tls: Option<ServerTls>,
    statistics: Arc<Statistics>,
}

impl From<&ServerConfig> for Limits {
    fn from(config: &ServerConfig) -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: config.max_connections,
            frame_bytes: config.max_frame_bytes,
            idle: seconds(config.idle_timeout_seconds),
            between_bytes: seconds(config.byte_timeout_seconds),
            frame: seconds(config.frame_timeout_seconds),
            handshake: seconds(config.handshake_timeout_seconds),
            write: seconds(config.write_timeout_seconds),
            trailer: config.trailer,
        }
    }
}

impl<H: Handler> Server<H> {
    /// A listener for plain TCP, or for TLS when `tls` is given.
    pub fn new(handler: Arc<H>, limits: Limits, tls: Option<ServerTls>) -> Self {
        Self { handler, limits, tls, statistics: Arc::default() }
    }

    /// What this listener has counted so far.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.statistics)
    }

    /// Serves until `shutdown`, then stops accepting, lets frames that have arrived get their replies, and closes.
    ///
    /// When all connections are taken, one more is accepted and waits. The oldest connection that has never
    /// delivered a frame makes room for it, so that silent or trickling peers cannot lock out a working one.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let tracker = TaskTracker::new();
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let room = Arc::new(Room::default());
        let serving = Arc::new(Serving {
            handler: self.handler,
            limits: self.limits,
            statistics: self.statistics,
            shutdown: shutdown.clone(),
        });
        let accepting = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let free = Arc::clone(&permits).try_acquire_owned().ok();
                let (socket, address) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        serving.count(Count::AcceptError);
                        tracing::warn!(%error, "accepting a connection failed; trying again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LAST_PAUSE);
                        continue;
                    }
                };
                pause = FIRST_PAUSE;
                let Some(permit) = (match free {
                    Some(permit) => Some(permit),
                    None => wait_for_room(&permits, &room).await,
                }) else {
                    break;
                };
                tracker.spawn(one(
                    Arc::clone(&serving),
                    self.tls.clone(),
                    Arc::clone(&room),
                    socket,
                    address,
                    permit,
                ));
            }
        };
        if shutdown.run_until_cancelled(accepting).await.is_some() {
            tracing::error!("the listener ended by itself");
        }
        drop(listener);
        tracker.close();
        tracker.wait().await;
    }
}

async fn one<H: Handler>(
    serving: Arc<Serving<H>>,
    tls: Option<ServerTls>,
    room: Arc<Room>,
    socket: TcpStream,
    address: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let place = room.enter();
    serving.count(Count::Connection);
    serving.run(tls, socket, address, &place).await;
    drop(permit);
}

async fn wait_for_room(permits: &Arc<Semaphore>, room: &Room) -> Option<OwnedSemaphorePermit> {
    loop {
        let wait = room.evict_oldest_unproven();
        match tokio::time::timeout(wait, Arc::clone(permits).acquire_owned()).await {
            Ok(permit) => return permit.ok(),
            Err(_) => continue,
        }
    }
}

/// Pauses after a failed accept (out of file descriptors, most often) double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);
