//! A relay between sender and test server that shows what crosses it.
//!
//! Both sides are MLLP over TLS as without it, so the demonstration shows the message and the acknowledgment
//! that really went over the wire, and the services need no hook for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mllp::{
    Connector, Frame,
    codec::CodecError,
    server::{Handler, Limits, Peer, Reply, Server},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{development_ca::DevelopmentCa, exit::Failure};

/// One message and the answer to it.
pub(super) struct Exchange {
    pub(super) message: String,
    pub(super) acknowledgment: String,
}

/// A running tap.
pub(super) struct Tap {
    pub(super) address: SocketAddr,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Tap {
    /// Listens on a free loopback port and relays to `endpoint`.
    pub(super) async fn start(ca: &DevelopmentCa, endpoint: SocketAddr) -> Result<Self, Failure> {
        let client = mllp::ClientConfig {
            address: endpoint.to_string(),
            tls: ca.client(),
            ..mllp::ClientConfig::default()
        };
        let connector = Connector::new(&client).map_err(Failure::internal)?;
        let tls = mllp::ServerTls::new(&ca.server()).map_err(Failure::internal)?;
        let (sink, exchanges) = mpsc::unbounded_channel();
        let relay = Arc::new(Relay { connector, connection: Mutex::new(None), sink });
        let server = Server::new(relay, Limits::from(&mllp::ServerConfig::default()), Some(tls));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server.serve(listener, stop.clone()));
        Ok(Self { address, exchanges, stop, tasks })
    }

    /// The next exchange; `None` when there is none in time.
    pub(super) async fn next(&mut self, deadline: Duration) -> Option<Exchange> {
        tokio::time::timeout(deadline, self.exchanges.recv()).await.ok().flatten()
    }

    /// Waits for the relay to end; call it after the sender.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Relay {
    connector: Connector,
    /// Open between messages. Held for a whole exchange: MLLP has one message at a time on the wire.
    connection: Mutex<Option<mllp::Connection>>,
    sink: mpsc::UnboundedSender<Exchange>,
}

impl Relay {
    async fn exchange(&self, frame: &Frame) -> Result<Frame, mllp::MllpError> {
        let mut held = self.connection.lock().await;
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        connection.send(frame.as_bytes()).await?;
        let answer = connection.receive().await?;
        *held = Some(connection);
        Ok(answer)
    }
}

impl Handler for Relay {
    async fn handle(&self, _peer: &Peer, frame: Frame) -> Reply {
        match self.exchange(&frame).await {
            Ok(answer) => {
                let text = |frame: &Frame| String::from_utf8_lossy(frame.as_bytes()).into_owned();
                let exchange = Exchange { message: text(&frame), acknowledgment: text(&answer) };
                // Nobody listens any more when the demonstration is over.
                self.sink.send(exchange).ok();
                Reply::one(answer.as_bytes())
            }
            // No answer: the sender keeps the message and sends it again.
            Err(_) => Reply::none().and_close(),
        }
    }

    fn unreadable(&self, _peer: &Peer, _error: &CodecError) -> Option<Vec<u8>> {
        None
    }
}
