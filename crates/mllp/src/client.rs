//! A connection to an endpoint: one frame out, its reply in, every wait with a deadline.
//!
//! One frame at a time: MLLP release 1 has no other way to tell which reply belongs to which frame.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use rustls::ProtocolVersion;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{TlsConnector, TlsStream};

use crate::codec::{self, CodecCounts, CodecError, Frame, MllpCodec};
use crate::config::ClientConfig;
use crate::error::{MllpError, TlsCause};
use crate::reader::FrameReader;
use crate::stream::{Counted, Stream, tune};
use credentials::CertificateInfo;
use credentials::tls::{recorded, with_record};
use credentials::{ClientTls, TlsConfigError};

/// How long a reply that ends in `0x1C` may miss its carriage return before it is taken as it is, and how long
/// a server is given to refuse a client certificate after a handshake of TLS 1.3.
const SHORT_WAIT: Duration = Duration::from_millis(250);

/// Makes connections to one endpoint.
#[derive(Debug, Clone)]
pub struct Connector {
    address: String,
    timeouts: Timeouts,
    codec: (usize, codec::Trailer),
    tls: Option<ClientTls>,
}

/// How long each step may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the name lookup, and again for each address it gives.
    pub connect: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For one frame.
    pub write: Duration,
    /// From the last byte of a frame to its reply; also `TCP_USER_TIMEOUT`.
    pub acknowledgment: Duration,
}

/// An open connection. Dropping it closes the socket without a word to the peer.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    reader: FrameReader,
    peer: SocketAddr,
    certificate: Option<CertificateInfo>,
    timeouts: Timeouts,
    handshake: Option<Duration>,
}

/// Why an idle connection is of no more use.
#[derive(Debug)]
pub enum Idle {
    /// The peer closed or reset it; an error when it was not a plain end of the stream.
    Closed(Option<MllpError>),
    /// The peer sent bytes that nothing had asked for; whole frames can still be received.
    Unsolicited,
}

impl Connector {
    /// Reads the TLS files, when TLS is on.
    ///
    /// # Errors
    /// Names the file or setting that cannot be used.
    pub fn new(config: &ClientConfig) -> Result<Self, TlsConfigError> {
        let tls = config.tls.enabled.then(|| ClientTls::new(&config.tls, &config.address)).transpose()?;
        let seconds = Duration::from_secs;
        Ok(Self {
            address: config.address.clone(),
            timeouts: Timeouts {
                connect: seconds(config.connect_timeout_seconds),
                handshake: seconds(config.handshake_timeout_seconds),
                write: seconds(config.write_timeout_seconds),
                acknowledgment: seconds(config.acknowledgment_timeout_seconds),
            },
            codec: (config.max_acknowledgment_bytes, config.trailer),
            tls,
        })
    }

    /// The same endpoint with other timeouts.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// How long each step may take.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// TLS, when it is on: to watch its files and to see when new ones are in use.
    pub fn tls(&self) -> Option<&ClientTls> {
        self.tls.as_ref()
    }

    /// Resolves the name, tries each address, and finishes the TLS handshake. Nothing is sent in clear when TLS
    /// is on.
    ///
    /// # Errors
    /// None is ambiguous: no frame was written.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(&self) -> Result<Connection, MllpError> {
        let socket = self.open().await?;
        let peer = socket.peer_addr().map_err(MllpError::Connect)?;
        tune(&socket, Some(self.timeouts.acknowledgment)).map_err(MllpError::Connect)?;
        let counted = Counted::new(socket);
        let began = Instant::now();
        let (stream, may_refuse) = match &self.tls {
            None => (Stream::Plain(counted), false),
            Some(tls) => timeout(self.timeouts.handshake, handshake(tls, counted))
                .await
                .map_err(|_| MllpError::HandshakeTimeout)??,
        };
        let certificate = stream.certificate();
        let (max_frame_bytes, trailer) = self.codec;
        let reader = FrameReader::new(MllpCodec::new(max_frame_bytes, trailer));
        let handshake = self.tls.as_ref().map(|_| began.elapsed());
        let mut connection =
            Connection { stream, reader, peer, certificate, timeouts: self.timeouts, handshake };
        if may_refuse {
            connection.await_refusal().await?;
        }
        Ok(connection)
    }

    async fn open(&self) -> Result<TcpStream, MllpError> {
        let addresses = timeout(self.timeouts.connect, lookup_host(&self.address))
            .await
            .map_err(|_| MllpError::Resolve(io::ErrorKind::TimedOut.into()))?
            .map_err(MllpError::Resolve)?;
        let mut last = MllpError::Resolve(io::ErrorKind::NotFound.into());
        for address in addresses {
            match timeout(self.timeouts.connect, TcpStream::connect(address)).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(error)) => last = MllpError::Connect(error),
                Err(_) => last = MllpError::ConnectTimeout,
            }
        }
        Err(last)
    }
}

impl Connection {
    /// The address that was reached.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The certificate that the peer showed, under TLS.
    pub fn certificate(&self) -> Option<&CertificateInfo> {
        self.certificate.as_ref()
    }

    /// How long the TLS handshake took, under TLS.
    pub fn handshake(&self) -> Option<Duration> {
        self.handshake
    }

    /// What the peer sent besides good frames.
    pub fn counts(&self) -> CodecCounts {
        self.reader.codec().counts()
    }

    /// Writes one frame, in one write, unless the connection turns out to be gone already.
    ///
    /// # Errors
    /// [`MllpError::is_ambiguous`] tells whether the peer may have the message.
    ///
    /// # Cancel safety
    /// None: after a drop, part of the frame may be written. Close the connection.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), MllpError> {
        let block = codec::encode(payload).map_err(MllpError::Unwritable)?;
        self.check_idle().await?;
        self.write(&block).await
    }

    /// Writes one frame although the peer may have sent more already: the answer to a message of the peer's own.
    ///
    /// # Errors
    /// As [`Self::send`].
    ///
    /// # Cancel safety
    /// None, as [`Self::send`].
    pub async fn reply(&mut self, payload: &[u8]) -> Result<(), MllpError> {
        let block = codec::encode(payload).map_err(MllpError::Unwritable)?;
        self.write(&block).await
    }

    async fn write(&mut self, block: &[u8]) -> Result<(), MllpError> {
        let before = self.stream.counted().written;
        let write = async {
            self.stream.write_all(block).await?;
            self.stream.flush().await
        };
        let result = timeout(self.timeouts.write, write).await;
        let started = self.stream.counted().written > before;
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(MllpError::from_io(source, |source| MllpError::Write { started, source })),
            Err(_) => Err(MllpError::WriteTimeout { started }),
        }
    }

    /// The next frame, until the acknowledgment timeout from now.
    ///
    /// # Errors
    /// As [`Self::receive_until`].
    pub async fn receive(&mut self) -> Result<Frame, MllpError> {
        self.receive_until(Instant::now() + self.timeouts.acknowledgment).await
    }

    /// The next frame, until `deadline`. A caller that reads another frame than the one it waits for calls again
    /// with the same deadline.
    ///
    /// # Errors
    /// All are ambiguous but a TLS alert, with which the peer says that it never accepted the connection.
    ///
    /// # Cancel safety
    /// Safe: what has arrived stays for the next call.
    pub async fn receive_until(&mut self, deadline: Instant) -> Result<Frame, MllpError> {
        loop {
            if let Some(frame) = self.reader.buffered().map_err(MllpError::Reply)? {
                return Ok(frame);
            }
            let short = self.reader.awaits_trailer().then(|| Instant::now() + SHORT_WAIT);
            let until = short.map_or(deadline, |short| short.min(deadline));
            match timeout_at(until, self.reader.fill(&mut self.stream)).await {
                Ok(Ok(0)) => return self.after_end(),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(MllpError::from_io(error, |e| MllpError::Closed(Some(e)))),
                Err(_) => match self.reader.take_without_trailer() {
                    Some(frame) => return Ok(frame),
                    None if Instant::now() >= deadline => return Err(MllpError::ReplyTimeout),
                    None => {}
                },
            }
        }
    }

    /// Waits until the connection is of no more use. To be raced against the next message.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn idle(&mut self) -> Idle {
        loop {
            if self.has_stray() {
                return Idle::Unsolicited;
            }
            match self.reader.fill(&mut self.stream).await {
                Ok(0) => return Idle::Closed(None),
                Ok(_) => {}
                Err(error) => {
                    return Idle::Closed(Some(MllpError::from_io(error, |e| MllpError::Closed(Some(e)))));
                }
            }
        }
    }

    /// Closes in good order: TLS `close_notify`, then FIN. Waits a second at most.
    pub async fn close(mut self) {
        match timeout(Duration::from_secs(1), self.stream.shutdown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "closing failed"),
            Err(_) => tracing::debug!("closing took too long"),
        }
    }

    /// Closes at once with RST. For a connection whose state is unknown: a late reply must find nobody.
    pub fn abort(self) {
        self.stream.reset();
    }

    /// Asks the socket, without waiting, whether the peer has gone or talks out of turn.
    async fn check_idle(&mut self) -> Result<(), MllpError> {
        loop {
            if self.has_stray() {
                return Err(MllpError::Stale);
            }
            let mut byte = [std::mem::MaybeUninit::uninit()];
            match SockRef::from(self.stream.counted().socket()).peek(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Ok(_) | Err(_) => {}
            }
            // There is something: the end, bytes, or a session ticket, which is nothing to us.
            match timeout(SHORT_WAIT, self.hear()).await {
                Ok(Ok(Some(0))) => return Err(MllpError::Stale),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(MllpError::from_io(error, |_| MllpError::Stale)),
                Err(_) => return Ok(()),
            }
        }
    }

    /// One look at the stream: how many bytes came for the reader (0 at the end), or `None` when only TLS itself
    /// had something to say.
    async fn hear(&mut self) -> io::Result<Option<usize>> {
        let read_before = self.stream.counted().read;
        poll_fn(|context| match self.reader.poll_fill(context, &mut self.stream) {
            Poll::Ready(read) => Poll::Ready(read.map(Some)),
            Poll::Pending if self.stream.counted().read > read_before => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Whether more has arrived than padding.
    fn has_stray(&mut self) -> bool {
        let junk_bytes = self.counts().junk_bytes;
        let more = self.reader.has_more();
        more || self.reader.is_inside() || self.counts().junk_bytes > junk_bytes
    }

    /// With TLS 1.3 a client hears after its handshake, if at all, that its certificate is refused. A server that
    /// accepts it sends session tickets (most do): the first bytes that are neither an alert nor data end the wait.
    async fn await_refusal(&mut self) -> Result<(), MllpError> {
        match timeout(SHORT_WAIT, self.hear()).await {
            Ok(Ok(None)) | Err(_) => Ok(()),
            Ok(Ok(Some(0))) => Err(self.tls_error(TlsCause::Aborted, io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(Some(_))) if self.has_stray() => Err(MllpError::Stale),
            Ok(Ok(Some(_))) => Ok(()),
            Ok(Err(error)) => Err(MllpError::from_io(error, MllpError::Connect)),
        }
    }

    fn tls_error(&self, cause: TlsCause, source: io::Error) -> MllpError {
        MllpError::Tls { cause, certificate: self.certificate.clone().map(Box::new), source }
    }

    fn after_end(&mut self) -> Result<Frame, MllpError> {
        match self.reader.finish() {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) | Err(CodecError::Truncated { .. }) => Err(MllpError::Closed(None)),
            Err(error) => Err(MllpError::Reply(error)),
        }
    }
}

/// The finished handshake, and whether the server may still refuse our certificate.
async fn handshake(tls: &ClientTls, counted: Counted) -> Result<(Stream, bool), MllpError> {
    let files = tls.files().current();
    let connector = TlsConnector::from(std::sync::Arc::clone(files.config()));
    with_record(async {
        match connector.connect(tls.name(), counted).await {
            Ok(stream) => {
                let is_tls_1_3 = stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_3);
                let asked = is_tls_1_3 && files.asked();
                Ok((Stream::Tls(Box::new(TlsStream::Client(stream))), asked))
            }
            Err(source) => {
                let was_asked = files.asked() && files.certificate.is_none();
                let cause = match TlsCause::of(&source) {
                    // Before TLS 1.3 a missing client certificate looks like any failed handshake.
                    Some(TlsCause::Incompatible | TlsCause::CertificateRefused) if was_asked => {
                        TlsCause::ClientCertificateRequired
                    }
                    Some(cause) => cause,
                    None => TlsCause::Aborted,
                };
                let certificate = recorded().map(Box::new);
                Err(MllpError::Tls { cause, certificate, source })
            }
        }
    })
    .await
}
