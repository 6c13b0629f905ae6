//! One connection of a scripted endpoint.

use std::{io, sync::Arc, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{Arrival, CR, ConnectionRecord, FS, Received, Security, Shared, Step, VT, control_id};
use crate::proxy::Close;

/// Serves a connection until it ends, the endpoint crashes, or the test is over.
pub(super) async fn run(stream: TcpStream, shared: Arc<Shared>, stop: CancellationToken, crashes: u64) {
    let (number, arrival, security) = shared.state.change(|state| {
        let number = state.connections.len() as u64 + 1;
        state.connections.push(ConnectionRecord {
            number,
            at: Instant::now(),
            stray_bytes: 0,
            handshake_error: None,
            ended: false,
        });
        (number, state.script.arrival, state.security.clone())
    });
    let mut connection = Connection { stream: Stream::Plain(stream), number, shared: &shared, read: 0 };
    let mut outage = shared.outage.subscribe();
    let interrupted = async {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = outage.wait_for(|outage| outage.crashes > crashes) => {}
        }
    };
    let served = async {
        let end = match connection.arrive(arrival, security).await {
            Ok(()) => connection.serve(arrival).await,
            Err(end) => end,
        };
        match end {
            End::Peer => {}
            End::Stall => std::future::pending().await,
            End::Ours(Close::Fin) => connection.stream.finish().await,
            End::Ours(Close::Reset) => connection.stream.reset(),
        }
    };
    let interrupted = tokio::select! {
        biased;
        () = interrupted => true,
        () = served => false,
    };
    if interrupted {
        connection.stream.reset();
    }
    shared.state.change(|state| {
        if let Some(record) = record(state, number) {
            record.ended = true;
        }
    });
}

fn record(state: &mut super::State, number: u64) -> Option<&mut ConnectionRecord> {
    state.connections.get_mut(number as usize - 1)
}

/// Why serving stopped.
#[derive(Debug, Clone, Copy)]
enum End {
    Peer,
    Stall,
    Ours(Close),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Peer
    }
}

struct Connection<'a> {
    stream: Stream,
    number: u64,
    shared: &'a Shared,
    /// Bytes read so far.
    read: usize,
}

impl Connection<'_> {
    async fn arrive(&mut self, arrival: Arrival, security: Security) -> Result<(), End> {
        match arrival {
            Arrival::End(close) => return Err(End::Ours(close)),
            Arrival::Stall => return Err(End::Stall),
            Arrival::Serve | Arrival::EndAfter(..) => {}
        }
        let mut hello = [0; 4096];
        match security {
            Security::Plain => Ok(()),
            Security::StalledHandshake => {
                self.stream.read(&mut hello).await?;
                Err(End::Stall)
            }
            Security::AbortedHandshake => {
                self.stream.read(&mut hello).await?;
                Err(End::Ours(Close::Reset))
            }
            Security::OldVersion => {
                self.stream.read(&mut hello).await?;
                self.stream.write(&old_hello()).await?;
                self.stream.read(&mut hello).await?;
                Err(End::Ours(Close::Fin))
            }
            Security::Tls(config) => {
                let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
                    return Err(End::Peer);
                };
                match TlsAcceptor::from(config).accept(stream).await {
                    Ok(stream) => {
                        self.stream = Stream::Tls(Box::new(stream));
                        Ok(())
                    }
                    Err(error) => {
                        let number = self.number;
                        self.shared.state.change(|state| {
                            if let Some(record) = record(state, number) {
                                record.handshake_error = Some(error.to_string());
                            }
                        });
                        Err(End::Peer)
                    }
                }
            }
        }
    }

    async fn serve(&mut self, arrival: Arrival) -> End {
        let (mut pending, mut scanned) = (Vec::new(), 0);
        let end = loop {
            if let Some(body) = take_frame(&mut pending, &mut scanned, |stray| self.stray(stray)) {
                if let Err(end) = self.answer(body).await {
                    break end;
                }
                continue;
            }
            if let Arrival::EndAfter(most, close) = arrival
                && self.read >= most
            {
                break End::Ours(close);
            }
            let mut buffer = [0; 16 * 1024];
            let room = match arrival {
                Arrival::EndAfter(most, _) => buffer.len().min(most - self.read),
                Arrival::Serve | Arrival::End(_) | Arrival::Stall => buffer.len(),
            };
            let Some(window) = buffer.get_mut(..room) else { break End::Peer };
            match self.stream.read(window).await {
                Ok(0) | Err(_) => break End::Peer,
                Ok(n) => {
                    self.read += n;
                    pending.extend_from_slice(window.get(..n).unwrap_or_default());
                }
            }
        };
        self.stray(pending.len());
        end
    }

    fn stray(&self, bytes: usize) {
        if bytes > 0 {
            self.shared.state.change(|state| {
                if let Some(record) = record(state, self.number) {
                    record.stray_bytes += bytes;
                }
            });
        }
    }

    /// Runs the steps of one frame.
    async fn answer(&mut self, body: Vec<u8>) -> Result<(), End> {
        let own = control_id(&body);
        let (number, steps, previous) = self.shared.state.change(|state| {
            let number = state.received.len() as u64 + 1;
            let seen = state.seen.entry(own.clone()).or_default();
            let steps = state.script.steps(number, &body, *seen);
            *seen += 1;
            let received = Received {
                number,
                connection: self.number,
                control_id: own.clone(),
                body,
                at: Instant::now(),
                stored: None,
                replies: Vec::new(),
            };
            let other = state.received.iter().rev().find(|one| one.control_id != own);
            let previous = other.map(|one| one.control_id.clone()).unwrap_or_default();
            state.received.push(received);
            (number, steps, previous)
        });
        for step in steps {
            match step {
                Step::Store => self.shared.state.change(|state| {
                    state.stored += 1;
                    let position = state.stored;
                    if let Some(received) = state.received.get_mut(number as usize - 1) {
                        received.stored = Some(position);
                    }
                }),
                Step::Delay(time) => tokio::time::sleep(time).await,
                Step::Hold => {
                    let mut released = self.shared.released.subscribe();
                    released.borrow_and_update();
                    if released.changed().await.is_err() {
                        return Err(End::Stall);
                    }
                }
                Step::Reply(reply) => {
                    self.replied(number, &reply.code);
                    self.stream.write(&reply.frame(&own, &previous, number)).await?;
                }
                Step::ReplySlowly(reply, gap) => {
                    self.replied(number, &reply.code);
                    for byte in reply.frame(&own, &previous, number) {
                        self.stream.write(&[byte]).await?;
                        tokio::time::sleep(gap).await;
                    }
                }
                Step::ReplyPart(reply, length) => {
                    self.replied(number, &reply.code);
                    let frame = reply.frame(&own, &previous, number);
                    self.stream.write(frame.get(..length).unwrap_or(&frame)).await?;
                }
                Step::Raw(bytes) => self.stream.write(&bytes).await?,
                Step::End(close) => return Err(End::Ours(close)),
                Step::Stall => return Err(End::Stall),
                Step::Crash(time) => {
                    self.shared.crash(time);
                    return Err(End::Ours(Close::Reset));
                }
            }
        }
        Ok(())
    }

    fn replied(&self, number: u64, code: &str) {
        self.shared.state.change(|state| {
            if let Some(received) = state.received.get_mut(number as usize - 1) {
                received.replies.push(code.to_owned());
            }
        });
    }
}

/// Takes the first whole frame; `stray` is told of bytes before it. Nothing before `scanned` ends a frame.
fn take_frame(pending: &mut Vec<u8>, scanned: &mut usize, stray: impl FnOnce(usize)) -> Option<Vec<u8>> {
    let start = pending.iter().position(|&byte| byte == VT)?;
    let from = start.max(*scanned);
    let found = pending.get(from..)?.windows(2).position(|pair| pair == [FS, CR]);
    let Some(offset) = found else {
        *scanned = pending.len().saturating_sub(1);
        return None;
    };
    stray(start);
    let body = pending.get(start + 1..from + offset)?.to_vec();
    pending.drain(..from + offset + 2);
    *scanned = 0;
    Some(body)
}

/// A server hello of TLS 1.1, as a server too old for us would answer (RFC 4346 §7.4.1.3).
fn old_hello() -> Vec<u8> {
    let mut hello = vec![0x03, 0x02];
    hello.extend_from_slice(&[7; 32]); // random
    hello.extend_from_slice(&[0, 0x00, 0x2F, 0]); // no session, AES128-SHA, no compression
    let mut record = vec![0x16, 0x03, 0x02, 0, hello.len() as u8 + 4, 0x02, 0, 0, hello.len() as u8];
    record.extend_from_slice(&hello);
    record
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Lost in a failed handshake.
    Gone,
}

impl Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
            Self::Gone => Ok(0),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// FIN (and close_notify), then reads on until the peer ends too or the test is over.
    async fn finish(&mut self) {
        let shut = match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
            Self::Gone => return,
        };
        let mut sink = [0; 1024];
        if shut.is_ok() {
            while matches!(self.read(&mut sink).await, Ok(n) if n > 0) {}
        }
    }

    /// Makes the coming drop an RST.
    fn reset(&self) {
        let set = match self {
            Self::Plain(stream) => stream.set_zero_linger(),
            Self::Tls(stream) => stream.get_ref().0.set_zero_linger(),
            Self::Gone => Ok(()),
        };
        if set.is_err() {
            // Already closed by the peer: there is nothing left to abort.
        }
    }
}
