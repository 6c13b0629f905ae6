//! An HL7 endpoint that does what a test tells it, byte by byte.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What to do with the next frame. When the script is over, every frame gets AA.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// AA with the control id of the frame.
    Accept,
    /// These MSA-1, MSA-2 and further segments; `{id}` stands for the control id of the frame.
    Answer(&'static str),
    /// These frames, one after the other.
    Frames(Vec<&'static str>),
    /// These bytes as they are, in pieces.
    Bytes(Vec<&'static [u8]>),
    /// Half of a good acknowledgment, then the end of the stream.
    Half,
    /// Nothing at all.
    Silence,
    /// The end of the stream.
    Close,
    /// RST.
    Reset,
    /// AA, once the test says so.
    Wait(Arc<Notify>),
    /// AA, then RST.
    AcceptAndReset,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) connection: usize,
    pub(crate) body: String,
    /// The body as it came.
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: Instant,
}

#[derive(Default)]
struct Log {
    received: Mutex<Vec<Received>>,
    script: Mutex<VecDeque<Act>>,
    by_group: Mutex<Vec<(&'static str, Act)>>,
    connections: Mutex<usize>,
    changed: Notify,
}

pub(crate) struct Endpoint {
    pub(crate) address: String,
    log: Arc<Log>,
    _task: AbortOnDropHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start(script: Vec<Act>) -> Self {
        Self::start_with(script, None).await
    }

    pub(crate) async fn start_with(script: Vec<Act>, tls: Option<TlsAcceptor>) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), script, tls)
    }

    pub(crate) fn serve(listener: TcpListener, script: Vec<Act>, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Log { script: Mutex::new(script.into()), ..Log::default() });
        let shared = Arc::clone(&log);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = {
                    let mut count = shared.connections.lock().unwrap();
                    *count += 1;
                    *count
                };
                shared.changed.notify_waiters();
                let (log, tls) = (Arc::clone(&shared), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => talk(socket, number, &log, TcpStream::set_zero_linger).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(socket).await {
                                talk(stream, number, &log, |stream| stream.get_ref().0.set_zero_linger())
                                    .await;
                            }
                        }
                    }
                });
            }
        }));
        Self { address, log, _task: task }
    }

    /// What to do with every frame whose body contains `text`, whatever the script says.
    pub(crate) fn always(&self, text: &'static str, act: Act) {
        self.log.by_group.lock().unwrap().push((text, act));
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.log.received.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.received().into_iter().map(|received| received.body).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.log.connections.lock().unwrap()
    }

    /// Waits until `count` frames arrived.
    pub(crate) async fn frames(&self, count: usize) -> Vec<Received> {
        self.until(|| self.received().len() >= count).await;
        self.received()
    }

    pub(crate) async fn until(&self, done: impl Fn() -> bool) {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.log.changed.notified());
                changed.as_mut().enable();
                if done() {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("the endpoint saw what was expected");
    }
}

async fn talk<S>(mut stream: S, connection: usize, log: &Log, linger: fn(&S) -> std::io::Result<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    loop {
        let Some(bytes) = frame(&mut stream, &mut buffer).await else { return };
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let id = body.split('|').nth(9).unwrap_or_default().to_owned();
        let special = log
            .by_group
            .lock()
            .unwrap()
            .iter()
            .find(|(text, _)| body.contains(text))
            .map(|(_, act)| act.clone());
        let act = special.or_else(|| log.script.lock().unwrap().pop_front()).unwrap_or(Act::Accept);
        log.received.lock().unwrap().push(Received { connection, body, bytes, at: Instant::now() });
        log.changed.notify_waiters();
        let accept = framed("MSA|AA|{id}", &id);
        let written = match act {
            Act::Accept => stream.write_all(&accept).await,
            Act::Answer(text) => stream.write_all(&framed(text, &id)).await,
            Act::Frames(texts) => {
                let all: Vec<u8> = texts.iter().flat_map(|text| framed(text, &id)).collect();
                stream.write_all(&all).await
            }
            Act::Bytes(pieces) => {
                for piece in pieces {
                    stream.write_all(piece).await.unwrap();
                    stream.flush().await.unwrap();
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Act::Half => {
                stream.write_all(&accept[..accept.len() / 2]).await.unwrap();
                drop(stream.shutdown().await);
                return;
            }
            Act::Silence => Ok(()),
            Act::Close => {
                drop(stream.shutdown().await);
                return;
            }
            Act::Reset => {
                linger(&stream).unwrap();
                return;
            }
            Act::Wait(gate) => {
                gate.notified().await;
                stream.write_all(&accept).await
            }
            Act::AcceptAndReset => {
                stream.write_all(&accept).await.unwrap();
                stream.flush().await.unwrap();
                linger(&stream).unwrap();
                return;
            }
        };
        if written.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// The next body; `None` when the peer is gone.
async fn frame<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(2).position(|pair| pair == b"\x1c\r") {
            let block: Vec<u8> = buffer.drain(..end + 2).collect();
            assert_eq!(block[0], 0x0b, "blocks begin with VT");
            return Some(block[1..end].to_vec());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            assert!(buffer.is_empty() || buffer[0] == 0x0b);
            return None;
        }
    }
}

fn framed(segments: &str, id: &str) -> Vec<u8> {
    let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S+0000");
    let header = format!("MSH|^~\\&|S|F|R|F|{now}||ACK|a1|P|2.5.1");
    format!("\x0b{header}\r{}\r\x1c\r", segments.replace("{id}", id)).into_bytes()
}
