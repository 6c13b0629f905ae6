//! One accepted connection: handshake, then frame after frame until something ends it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::room::Place;
use super::{Count, Ending, Handler, Limits, Opening, Peer, Statistics, Step};
use crate::codec::{self, CodecError, Frame, MllpCodec};
use crate::error::TlsCause;
use crate::reader::FrameReader;
use crate::stream::{Counted, Stream, tune};
use credentials::ServerTls;

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Serving<H> {
    pub(super) handler: Arc<H>,
    pub(super) limits: Limits,
    pub(super) statistics: Arc<Statistics>,
    pub(super) shutdown: CancellationToken,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer closed it")]
    Peer,
    #[error("no frame for too long")]
    Idle,
    #[error("a frame came too slowly")]
    Slow,
    #[error("no frame had come, and others were waiting for the place")]
    Evicted,
    #[error("shutdown")]
    Shutdown,
    #[error("the handler wished so")]
    Handler(Ending),
    #[error("unreadable: {0}")]
    Codec(CodecError),
    #[error("lost: {0}")]
    Stream(io::Error),
    #[error("a reply could not be written: {0}")]
    Reply(io::Error),
}

struct Connection<'a, H> {
    serving: &'a Serving<H>,
    place: &'a Place,
    stream: Stream,
    reader: FrameReader,
    /// Only where the handler wants other reading than as fast as it comes.
    pace: Option<Pace>,
    peer: Peer,
    /// Set by shutdown: until then, what has been sent already may still arrive.
    drain_until: Option<Instant>,
}

impl<H: Handler> Serving<H> {
    pub(super) fn count(&self, count: Count) {
        self.statistics.add(count);
        self.handler.counted(count);
    }

    pub(super) async fn run(
        &self,
        tls: Option<ServerTls>,
        socket: TcpStream,
        address: SocketAddr,
        place: &Place,
    ) {
        if let Err(error) = tune(&socket, None) {
            tracing::debug!(mllp.peer = %address, %error, "the socket ended before it could be used");
            return;
        }
        let arrival = self.handler.arrive(address);
        let pace = Pace::of(&arrival, &socket);
        let (tls, instead) = match arrival.opening {
            Opening::Serve => (tls, None),
            Opening::ServeWith(other) => (tls.map(|_| other), None),
            Opening::Instead { read_first, steps } => (None, Some((read_first, steps))),
        };
        let counted = Counted::new(socket);
        let stream = match tls {
            None => Stream::Plain(counted),
            Some(tls) => {
                tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return,
                    () = place.evicted.cancelled() => return self.count(Count::Evicted),
                    stream = self.handshake(&tls, counted, address) => match stream {
                        Some(stream) => stream,
                        None => return,
                    },
                }
            }
        };
        let peer = Peer { address, certificate: stream.certificate(), connection: arrival.connection };
        let codec = MllpCodec::new(self.limits.frame_bytes, self.limits.trailer);
        let reader = FrameReader::new(codec);
        let connection = Connection { serving: self, place, stream, reader, pace, peer, drain_until: None };
        match instead {
            None => connection.run().await,
            Some((read_first, steps)) => connection.run_instead(read_first, steps).await,
        }
    }

    async fn handshake(&self, tls: &ServerTls, counted: Counted, address: SocketAddr) -> Option<Stream> {
        let acceptor = TlsAcceptor::from(Arc::clone(tls.files().current().config()));
        let cause = match timeout(self.limits.handshake, acceptor.accept(counted).into_fallible()).await {
            Ok(Ok(stream)) => return Some(Stream::Tls(Box::new(TlsStream::Server(stream)))),
            Ok(Err((_, counted))) if counted.read == 0 => {
                self.count(Count::Probe);
                tracing::debug!(mllp.peer = %address, "a probe: no bytes");
                return None;
            }
            Ok(Err((error, _))) => TlsCause::of(&error).unwrap_or(TlsCause::Aborted).to_string(),
            Err(_) => "the handshake did not finish in time".to_owned(),
        };
        self.count(Count::HandshakeFailure);
        tracing::warn!(mllp.peer = %address, error = cause, "TLS failed");
        None
    }
}

impl<H: Handler> Connection<'_, H> {
    async fn run(mut self) {
        let end = loop {
            let frame = match self.next_frame().await {
                Ok(frame) => frame,
                Err(end) => break end,
            };
            self.serving.count(Count::Frame);
            self.place.prove();
            let reply = self.serving.handler.handle(&self.peer, frame).await;
            if let Err(end) = self.perform(reply.steps).await {
                break end;
            }
        };
        self.finish(end).await;
    }

    async fn run_instead(mut self, read_first: bool, steps: Vec<Step>) {
        if read_first {
            let first = timeout(self.serving.limits.handshake, self.reader.fill(&mut self.stream));
            let read = tokio::select! {
                () = self.place.evicted.cancelled() => Err(End::Evicted),
                () = self.serving.shutdown.cancelled() => Err(End::Shutdown),
                read = first => match read {
                    Ok(Ok(0)) => Err(End::Peer),
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(End::Stream(error)),
                    Err(_) => Err(End::Idle),
                },
            };
            if let Err(end) = read {
                return self.finish(end).await;
            }
        }
        let end = self.perform(steps).await.err().unwrap_or(End::Handler(Ending::Close));
        self.finish(end).await;
    }

    async fn perform(&mut self, steps: Vec<Step>) -> Result<(), End> {
        for step in steps {
            match step {
                Step::Frame(payload) => self.write(&payload).await.map_err(End::Reply)?,
                Step::Bytes(bytes) => self.write_bytes(&bytes).await.map_err(End::Reply)?,
                Step::Wait(time) => {
                    tokio::select! {
                        () = self.place.evicted.cancelled() => return Err(End::Evicted),
                        () = self.serving.shutdown.cancelled() => return Err(End::Shutdown),
                        () = sleep(time) => {}
                    }
                }
                Step::Call(call) => call(),
                Step::End(ending) => return Err(End::Handler(ending)),
            }
        }
        Ok(())
    }

    async fn next_frame(&mut self) -> Result<Frame, End> {
        let Limits { idle, between_bytes, frame, .. } = self.serving.limits;
        let idle_until = Instant::now() + idle;
        let mut frame_until: Option<Instant> = None;
        loop {
            if let Some(ending) = self.pace.as_ref().and_then(Pace::ending) {
                return Err(End::Handler(ending));
            }
            if let Some(frame) = self.reader.buffered().map_err(End::Codec)? {
                return Ok(frame);
            }
            let now = Instant::now();
            if self.reader.is_inside() {
                frame_until = frame_until.or(Some(now + frame));
            }
            let pause =
                if self.reader.awaits_trailer() { TRAILER_WAIT.min(between_bytes) } else { between_bytes };
            let mut until = frame_until.map_or(idle_until, |frame_until| frame_until.min(now + pause));
            let draining = self.serving.shutdown.is_cancelled();
            if draining {
                let drain_until = *self.drain_until.get_or_insert(now + DRAIN_WAIT);
                if now >= drain_until {
                    return Err(End::Shutdown);
                }
                until = until.min(drain_until);
            }
            tokio::select! {
                biased;
                () = self.place.evicted.cancelled() => return Err(End::Evicted),
                read = timeout_at(until, fill(&mut self.reader, &mut self.stream, &mut self.pace)) => match read {
                    Ok(Ok(0)) => {
                        return self.reader.finish().map_err(End::Codec)?.ok_or(End::Peer);
                    }
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Err(End::Stream(error)),
                    Err(_) => return match self.reader.take_without_trailer() {
                        Some(frame) => Ok(frame),
                        None if draining => Err(End::Shutdown),
                        None if frame_until.is_some() => Err(End::Slow),
                        None => Err(End::Idle),
                    },
                },
                // Only when there is nothing to read: what has arrived is answered.
                () = self.serving.shutdown.cancelled(), if !(draining && self.reader.is_inside()) => {
                    if !self.reader.is_inside() {
                        return Err(End::Shutdown);
                    }
                }
            }
        }
    }

    async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let block = codec::encode(payload).map_err(io::Error::other)?;
        self.write_bytes(&block).await
    }

    async fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(self.serving.limits.write, write).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn finish(mut self, end: End) {
        let peer = self.peer.address;
        let count = match &end {
            End::Peer | End::Stream(_) if self.stream.counted().read == 0 => Some(Count::Probe),
            End::Peer | End::Shutdown | End::Handler(_) | End::Stream(_) => None,
            End::Idle => Some(Count::Idle),
            End::Slow => Some(Count::Slow),
            End::Evicted => Some(Count::Evicted),
            End::Codec(CodecError::TooLarge { .. }) => Some(Count::TooLarge),
            End::Codec(CodecError::TooMuchJunk { .. }) => Some(Count::Junk),
            End::Codec(CodecError::Truncated { .. }) => Some(Count::Truncated),
            End::Codec(CodecError::FramingByte { .. } | CodecError::Io(_)) => None,
            End::Reply(_) => Some(Count::ReplyFailure),
        };
        if let Some(count) = count {
            self.serving.count(count);
        }
        match &end {
            End::Slow | End::Codec(_) | End::Reply(_) => {
                tracing::warn!(mllp.peer = %peer, reason = %end, "connection closed");
            }
            End::Evicted => tracing::info!(mllp.peer = %peer, reason = %end, "connection closed"),
            End::Peer | End::Idle | End::Shutdown | End::Handler(_) | End::Stream(_) => {
                tracing::debug!(mllp.peer = %peer, reason = %end, "connection closed");
            }
        }
        if let End::Codec(error) = &end
            && let Some(reply) = self.serving.handler.unreadable(&self.peer, error)
            && let Err(error) = self.write(&reply).await
        {
            tracing::debug!(mllp.peer = %peer, %error, "the last reply could not be written");
        }
        match end {
            End::Handler(Ending::Reset) => self.stream.reset(),
            End::Handler(Ending::Stall) => self.stall().await,
            End::Handler(Ending::Close) | End::Codec(_) => self.close(true).await,
            End::Peer
            | End::Idle
            | End::Slow
            | End::Evicted
            | End::Shutdown
            | End::Stream(_)
            | End::Reply(_) => self.close(false).await,
        }
    }

    /// Holds the connection and reads nothing, so that the peer's window closes.
    async fn stall(&self) {
        let socket = self.stream.counted().socket();
        loop {
            tokio::select! {
                () = self.place.evicted.cancelled() => return,
                () = self.serving.shutdown.cancelled() => return,
                () = sleep(STALL_LOOK) => {}
            }
            // Returns at once while there is something to read, and it is never read.
            let look = timeout(Duration::ZERO, socket.ready(Interest::READABLE));
            if matches!(look.await, Ok(Ok(ready)) if ready.is_read_closed()) {
                return;
            }
        }
    }

    /// Closes in good order. With unread bytes in the socket the kernel would send RST, which can overtake the
    /// last reply: `linger` reads them away for a moment.
    async fn close(&mut self, linger: bool) {
        let closing = async {
            self.stream.shutdown().await?;
            let mut discarded = vec![0; if linger { 64 * 1024 } else { 0 }];
            while linger && self.stream.read(&mut discarded).await? > 0 {}
            io::Result::Ok(())
        };
        match timeout(CLOSE_WAIT, closing).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(mllp.peer = %self.peer.address, %error, "closing failed"),
        }
    }
}

/// Cancel safe, as [`FrameReader::fill`].
async fn fill(reader: &mut FrameReader, stream: &mut Stream, pace: &mut Option<Pace>) -> io::Result<usize> {
    match pace {
        None => reader.fill(stream).await,
        Some(pace) => pace.fill(reader, stream).await,
    }
}

/// A frame that ends in `0x1C` may miss its carriage return this long before it is taken as it is.
const TRAILER_WAIT: Duration = Duration::from_millis(250);
/// What a frame that has begun gets at shutdown to arrive completely.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How often a connection that is held without reading is asked whether the peer is still there.
const STALL_LOOK: Duration = Duration::from_millis(200);
/// For the last words on a connection.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
