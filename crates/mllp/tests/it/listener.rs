//! A server of this crate on port 0, and a raw client.

use std::sync::Arc;
use std::time::Duration;

use mllp::codec::{CodecError, Trailer};
use mllp::server::{Count, Statistics};
use mllp::{
    ClientConfig, ClientTlsConfig, Connector, Frame, Handler, Limits, Peer, Reply, Server, ServerTls,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Replies `ack:` and the payload, except to a few words. Each reply takes a permit of `gate`.
pub(crate) struct Echo {
    pub(crate) gate: Semaphore,
}

impl Handler for Echo {
    async fn handle(&self, _peer: &Peer, frame: Frame) -> Reply {
        self.gate.acquire().await.expect("an open gate").forget();
        let reply = [b"ack:", frame.as_bytes()].concat();
        match frame.as_bytes() {
            b"close" => Reply::none().and_close(),
            b"last" => Reply::one(reply).and_close(),
            b"silence" => Reply::none(),
            b"twice" => Reply::frames([b"first".to_vec(), b"second".to_vec()]),
            _ => Reply::one(reply),
        }
    }

    fn unreadable(&self, _peer: &Peer, error: &CodecError) -> Option<Vec<u8>> {
        matches!(error, CodecError::TooLarge { .. }).then(|| b"too large".to_vec())
    }
}

pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) handler: Arc<Echo>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

pub(crate) const LIMITS: Limits = Limits {
    connections: 8,
    frame_bytes: 4096,
    idle: Duration::from_secs(30),
    between_bytes: Duration::from_secs(10),
    frame: Duration::from_secs(20),
    handshake: Duration::from_secs(5),
    write: Duration::from_secs(5),
    trailer: Trailer::Lenient,
};

pub(crate) async fn start(limits: Limits, tls: Option<ServerTls>) -> Running {
    start_gated(limits, tls, Semaphore::MAX_PERMITS).await
}

pub(crate) async fn start_gated(limits: Limits, tls: Option<ServerTls>, permits: usize) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let handler = Arc::new(Echo { gate: Semaphore::new(permits) });
    let server = Server::new(Arc::clone(&handler), limits, tls);
    let statistics = server.statistics();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(server.serve(listener, shutdown.clone()));
    Running { address, handler, statistics, shutdown, served }
}

impl Running {
    /// Waits, with a deadline, until `count` has reached `value`.
    pub(crate) async fn counted(&self, count: Count, value: u64) {
        let reached = async {
            while self.statistics.get(count) < value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(reached.is_ok(), "{count:?} stayed below {value}: {:?}", self.statistics);
    }

    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("a connection")
    }
}

pub(crate) fn connector(address: &str, tls: ClientTlsConfig) -> Connector {
    let config = ClientConfig { address: address.to_owned(), tls, ..ClientConfig::default() };
    Connector::new(&config).expect("usable settings")
}

/// Writes raw bytes and reads until `count` bytes came back.
pub(crate) async fn exchange(stream: &mut TcpStream, bytes: &[u8], count: usize) -> Vec<u8> {
    stream.write_all(bytes).await.expect("written");
    let mut reply = vec![0; count];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut reply)).await;
    read.expect("a reply in time").expect("a reply");
    reply
}

/// Everything until the end of the stream; a reset counts as the end.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    drop(end.expect("the end in time"));
    bytes
}
