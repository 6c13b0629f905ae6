//! The server under test: on port 0, with a store that can be told to fail or to wait.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hl7v2::Acknowledgment;
use message_store::{Incoming, MemoryStore, MessageStore, PatientKey, StoreError, StoreLayer, Stored};
use serde_json::Value;
use test_hl7_server::{Config, Dependencies, Equipment, FaultsConfig, Listeners, run_with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A memory store whose writes of messages fail `failures` times and each take a permit of `gate`.
#[derive(Debug)]
pub(crate) struct Flaky {
    pub(crate) inner: MemoryStore,
    pub(crate) failures: AtomicU32,
    pub(crate) gate: Semaphore,
    /// Calls of `put_incoming` so far.
    pub(crate) writes: AtomicU32,
}

#[async_trait]
impl StoreLayer for Flaky {
    fn inner(&self) -> &dyn MessageStore {
        &self.inner
    }

    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.expect("an open gate").forget();
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(StoreError::Full),
            Err(_) => self.inner.put_incoming(incoming).await,
        }
    }
}

pub(crate) struct Sut {
    pub(crate) store: Arc<Flaky>,
    pub(crate) plain: String,
    pub(crate) tls: Option<String>,
    /// Of fault control.
    pub(crate) admin: Option<String>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ran: JoinHandle<Result<(), test_hl7_server::Error>>,
}

pub(crate) async fn start() -> Sut {
    start_with(Config::default()).await
}

pub(crate) async fn start_with(config: Config) -> Sut {
    start_all(config, None).await
}

/// With fault control and a scenario.
pub(crate) async fn start_with_faults(scenario: &str, config: Config) -> Sut {
    let faults = FaultsConfig { enable: true, ..FaultsConfig::default() };
    let admin = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let sut = start_all(Config { faults, ..config }, Some(admin)).await;
    let (status, reason) = sut.admin("PUT", "/scenario", scenario).await;
    assert_eq!(status, 204, "{reason}");
    sut
}

async fn start_all(config: Config, admin: Option<TcpListener>) -> Sut {
    let store = Arc::new(Flaky {
        inner: MemoryStore::new(),
        failures: AtomicU32::new(0),
        gate: Semaphore::new(Semaphore::MAX_PERMITS),
        writes: AtomicU32::new(0),
    });
    let bind = || async { TcpListener::bind("127.0.0.1:0").await.expect("a port") };
    let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
    let plain = bind().await;
    let tls = if config.tls.is_some() { Some(bind().await) } else { None };
    let addresses = (address(&plain), tls.as_ref().map(address));
    let shutdown = CancellationToken::new();
    let deps = Dependencies { store: Arc::clone(&store) as Arc<dyn MessageStore> };
    let listeners = Listeners { tls, plain: Some(plain) };
    let admin_address = admin.as_ref().map(address);
    let equipment = Equipment { admin, ..Equipment::default() };
    let ran = tokio::spawn(run_with(config, deps, listeners, equipment, shutdown.clone()));
    Sut { store, plain: addresses.0, tls: addresses.1, admin: admin_address, shutdown, ran }
}

impl Sut {
    pub(crate) async fn raw(&self) -> TcpStream {
        TcpStream::connect(&self.plain).await.expect("a connection")
    }

    /// Sends one message on a connection of its own and returns the codes of the reply, such as `AE 101`.
    pub(crate) async fn send(&self, message: impl AsRef<[u8]>) -> String {
        codes(&exchange(&mut self.raw().await, message.as_ref()).await)
    }

    /// The control id in the reply, on a connection of its own; `None` when it ends without a whole one.
    pub(crate) async fn try_send(&self, message: &str) -> Option<String> {
        let mut raw = self.raw().await;
        raw.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.ok()?;
        raw.shutdown().await.ok()?;
        let mut bytes = Vec::new();
        raw.read_to_end(&mut bytes).await.ok()?;
        let start = bytes.iter().position(|byte| *byte == 0x0b)?;
        let end = bytes.iter().position(|byte| *byte == 0x1c)?;
        Acknowledgment::from_bytes(bytes.get(start + 1..end)?).ok()?.control_id
    }

    /// Status and body of a request to fault control.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let admin = self.admin.as_ref().expect("fault control");
        http(admin, "localhost", method, path, body).await
    }

    pub(crate) async fn current(&self, id: &str) -> Option<String> {
        let current = self.store.inner.current(&PatientKey::new(id).unwrap()).await.unwrap();
        current.map(|current| String::from_utf8(current.body.to_vec()).unwrap())
    }

    pub(crate) async fn received(&self) -> usize {
        let all = NonZeroUsize::new(1000).unwrap();
        self.store.inner.list_received(None, all).await.unwrap().entries.len()
    }

    /// Waits, with a deadline, until the store was asked to write `count` messages.
    pub(crate) async fn writes(&self, count: u32) {
        let reached = async {
            while self.store.writes.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("a write");
    }
}

/// Status and body, as JSON or as text.
pub(crate) async fn http(address: &str, host: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("a response");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
}

/// Frames a message, sends it, and reads one frame back.
pub(crate) async fn exchange(stream: &mut TcpStream, message: &[u8]) -> Vec<u8> {
    stream.write_all(&[b"\x0b", message, b"\x1c\r"].concat()).await.expect("written");
    frame(stream).await
}

/// One frame, without framing bytes.
pub(crate) async fn frame(stream: &mut TcpStream) -> Vec<u8> {
    let reading = async {
        assert_eq!(stream.read_u8().await.expect("a reply"), 0x0b);
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\x1c\r") {
            bytes.push(stream.read_u8().await.expect("the whole reply"));
        }
        bytes.truncate(bytes.len() - 2);
        bytes
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("a reply in time")
}

/// MSA-1 and ERR-3 of a reply.
pub(crate) fn codes(reply: &[u8]) -> String {
    let read = Acknowledgment::from_bytes(reply).expect("an acknowledgment");
    let codes = read.errors.iter().map(|error| format!(" {}", error.code));
    codes.fold(read.code.as_str().to_owned(), |text, code| text + &code)
}

/// An ADT message about `id`: control id, event, and the time in EVN-6.
pub(crate) fn adt(control_id: &str, event: &str, id: &str, time: &str) -> String {
    format!(
        "MSH|^~\\&|FHIRTRANSFORM|FHIR|HL7RCV|HL7RCV|20240301093015+0000||ADT^{event}^ADT_A05|{control_id}|T|2.5.1||||||UNICODE UTF-8\r\
         EVN||20240301093015+0000||||{time}\r\
         PID|1||{id}^^^FHIR^FW||Canary^{control_id}\r"
    )
}
