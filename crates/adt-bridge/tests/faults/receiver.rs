//! The test server, in process, over a store that can be made to fail; and raw bytes to throw at it.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use message_store::{Incoming, MessageStore, StoreError, StoreLayer, Stored};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::rig::DEADLINE;

/// A running test server.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<FailingStore>,
    shutdown: CancellationToken,
}

impl Receiver {
    pub(crate) async fn start(change: impl FnOnce(&mut test_hl7_server::Config)) -> Self {
        let inner = message_store::Config::Memory {}.connect().await.expect("a store");
        let store =
            Arc::new(FailingStore { inner, mode: AtomicU8::new(WORKING), refused: AtomicU64::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut config =
            test_hl7_server::Config { store_timeout: Duration::from_millis(400), ..Default::default() };
        change(&mut config);
        let shutdown = CancellationToken::new();
        let dependencies =
            test_hl7_server::Dependencies { store: Arc::clone(&store) as Arc<dyn MessageStore> };
        let listeners = test_hl7_server::Listeners { tls: None, plain: Some(listener) };
        tokio::spawn(test_hl7_server::run(config, dependencies, listeners, shutdown.clone()));
        Self { address, store, shutdown }
    }

    /// Bodies of everything stored, in no order.
    pub(crate) async fn stored(&self) -> Vec<Bytes> {
        let most = NonZeroUsize::new(10_000).expect("not zero");
        let page = self.store.inner.list_received(None, most).await.expect("a listing");
        let mut bodies = Vec::new();
        for entry in page.entries {
            bodies.extend(self.store.inner.received(&entry.key).await.expect("readable"));
        }
        bodies
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.expect("connected"), pending: Vec::new() }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A peer that sends any bytes.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    /// MSA-1 and MSA-2 of the next acknowledgment; `None` when the server ended the connection.
    pub(crate) async fn acknowledgment(&mut self) -> Option<(String, String)> {
        let read = async {
            loop {
                if let Some(end) = self.pending.windows(2).position(|pair| pair == [0x1C, 0x0D]) {
                    let frame: Vec<u8> = self.pending.drain(..end + 2).collect();
                    return Some(String::from_utf8_lossy(&frame).into_owned());
                }
                let mut buffer = [0; 4096];
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return None,
                    Ok(n) => self.pending.extend_from_slice(&buffer[..n]),
                }
            }
        };
        let text = tokio::time::timeout(DEADLINE, read).await.expect("an answer or an end")?;
        let msa = text.split('\r').find_map(|segment| segment.strip_prefix("MSA|")).expect("MSA");
        let mut fields = msa.split('|').map(str::to_owned);
        Some((fields.next().unwrap_or_default(), fields.next().unwrap_or_default()))
    }
}

/// A store that can be told to fail.
#[derive(Debug)]
pub(crate) struct FailingStore {
    inner: Arc<dyn MessageStore>,
    mode: AtomicU8,
    refused: AtomicU64,
}

impl FailingStore {
    pub(crate) fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    /// How many calls failed or hang.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let mode = self.mode.load(Ordering::SeqCst);
        if mode != WORKING {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        match mode {
            UNAVAILABLE => {
                let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                Err(StoreError::Unavailable { operation: "injected", source: source.into() })
            }
            HANGING => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

/// Modes of a [`FailingStore`].
pub(crate) const WORKING: u8 = 0;
pub(crate) const UNAVAILABLE: u8 = 1;
pub(crate) const HANGING: u8 = 2;

#[async_trait]
impl StoreLayer for FailingStore {
    fn inner(&self) -> &dyn MessageStore {
        self.inner.as_ref()
    }

    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        self.check().await?;
        self.inner.put_incoming(incoming).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.check().await
    }
}
