//! What a handler may do besides answering.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mllp::codec::CodecError;
use mllp::server::{Arrival, Ending, Opening, Step};
use mllp::{Frame, Handler, Limits, Peer, Reply, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::listener::LIMITS;

/// Does the same with every connection, and with every frame.
struct Scripted {
    arrival: Arrival,
    steps: Vec<Step>,
    frames: AtomicU64,
}

impl Handler for Scripted {
    async fn handle(&self, peer: &Peer, _frame: Frame) -> Reply {
        assert_eq!(peer.connection, self.arrival.connection);
        self.frames.fetch_add(1, Ordering::SeqCst);
        Reply::steps(self.steps.clone())
    }

    fn unreadable(&self, _peer: &Peer, _error: &CodecError) -> Option<Vec<u8>> {
        None
    }

    fn arrive(&self, _address: SocketAddr) -> Arrival {
        self.arrival.clone()
    }
}

async fn start(arrival: Arrival, steps: Vec<Step>) -> (TcpStream, Arc<Scripted>, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = Arc::new(Scripted { arrival, steps, frames: AtomicU64::new(0) });
    let shutdown = CancellationToken::new();
    let limits = Limits { idle: Duration::from_secs(30), ..LIMITS };
    tokio::spawn(Server::new(Arc::clone(&handler), limits, None).serve(listener, shutdown.clone()));
    (TcpStream::connect(address).await.unwrap(), handler, shutdown)
}

/// What comes until the end, and whether that was an RST.
async fn rest(raw: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), raw.read_to_end(&mut bytes)).await.expect("an end in time");
    (bytes, read.is_err())
}

#[tokio::test]
async fn steps_are_done_in_order_up_to_the_end() {
    let called = Arc::new(AtomicU64::new(0));
    let call = Arc::clone(&called);
    let steps = vec![
        Step::Bytes(b"junk".to_vec()),
        Step::Wait(Duration::from_millis(5)),
        Step::Frame(b"ack".to_vec()),
        Step::Call(Arc::new(move || {
            call.fetch_add(1, Ordering::SeqCst);
        })),
        Step::End(Ending::Close),
        Step::Bytes(b"never".to_vec()),
    ];
    let (mut raw, _, _) = start(Arrival { connection: 7, ..Arrival::default() }, steps).await;
    raw.write_all(b"\x0bA\x1c\r").await.unwrap();
    assert_eq!(rest(&mut raw).await, (b"junk\x0back\x1c\r".to_vec(), false));
    assert_eq!(called.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reset_is_one() {
    let (mut raw, _, _) = start(Arrival::default(), vec![Step::End(Ending::Reset)]).await;
    raw.write_all(b"\x0bA\x1c\r").await.unwrap();
    assert_eq!(rest(&mut raw).await, (Vec::new(), true));
}

#[tokio::test]
async fn a_connection_may_meet_something_else_than_service() {
    let steps = vec![Step::Bytes(b"go away".to_vec()), Step::End(Ending::Close)];
    let opening = Opening::Instead { read_first: true, steps };
    let (mut raw, handler, _) = start(Arrival { opening, ..Arrival::default() }, Vec::new()).await;
    raw.write_all(b"\x0bA\x1c\r").await.unwrap();
    assert_eq!(rest(&mut raw).await, (b"go away".to_vec(), false));
    assert_eq!(handler.frames.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_stalled_connection_reads_nothing_and_ends_with_the_server() {
    let (mut raw, _, shutdown) = start(Arrival::default(), vec![Step::End(Ending::Stall)]).await;
    raw.write_all(b"\x0bA\x1c\r").await.unwrap();
    let flood = vec![b'x'; 1024 * 1024];
    let writing = async {
        loop {
            raw.write_all(&flood).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_millis(500), writing).await.is_err(), "the window closes");
    shutdown.cancel();
    rest(&mut raw).await;
}

/// Every message and its start is cut where the arrival says, to the byte.
#[tokio::test]
async fn reading_ends_after_so_many_bytes() {
    for (bytes, expected) in [(3, 0), (4, 0), (9, 1), (11, 1), (12, 1)] {
        let arrival = Arrival { end_after_bytes: Some((bytes, Ending::Close)), ..Arrival::default() };
        let (mut raw, handler, _) = start(arrival, vec![Step::Frame(b"ack".to_vec())]).await;
        raw.write_all(b"\x0bAA\x1c\r").await.unwrap();
        if bytes > 5 {
            // The first reply shows that the first frame was read by itself.
            raw.read_exact(&mut [0; 6]).await.unwrap();
        }
        raw.write_all(b"\x0bBBBBB\x1c\r").await.unwrap();
        assert_eq!(rest(&mut raw).await.0, b"", "{bytes}");
        assert_eq!(handler.frames.load(Ordering::SeqCst), expected, "{bytes}");
    }
}

#[tokio::test]
async fn slow_reading_still_reads_everything() {
    let rate = NonZeroU32::new(100);
    let (mut raw, _, _) = start(
        Arrival { read_bytes_per_second: rate, ..Arrival::default() },
        vec![Step::Frame(b"ack".to_vec()), Step::End(Ending::Close)],
    )
    .await;
    let started = tokio::time::Instant::now();
    raw.write_all(&[b"\x0b".as_slice(), &[b'x'; 60], b"\x1c\r"].concat()).await.unwrap();
    assert_eq!(rest(&mut raw).await.0, b"\x0back\x1c\r");
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
}
