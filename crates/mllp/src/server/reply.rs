//! What a handler wants done on a connection.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use credentials::ServerTls;

/// What to do after a frame, in order. Nothing is silence; the connection goes on unless a step ends it.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(super) steps: Vec<Step>,
}

/// One thing done on a connection.
#[derive(Clone)]
pub enum Step {
    /// Sends a payload as a frame.
    Frame(Vec<u8>),
    /// Sends bytes as they are, without framing.
    Bytes(Vec<u8>),
    /// Sends nothing for so long. A shutdown ends the wait and the connection.
    Wait(Duration),
    /// Calls this when everything before it has been handed to the operating system.
    Call(Arc<dyn Fn() + Send + Sync>),
    /// Ends the connection; what follows is not done.
    End(Ending),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In good order: close_notify under TLS, then FIN.
    Close,
    /// With RST: bytes on the way are dropped on both sides.
    Reset,
    /// It stays open and nothing is read or written any more, until the peer leaves or a shutdown.
    Stall,
}

/// What a new connection meets. The default is to be served as the listener is set up.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// Becomes [`Peer::connection`](super::Peer::connection).
    pub connection: u64,
    /// Whether it is served.
    pub opening: Opening,
    /// Reads no faster than this.
    pub read_bytes_per_second: Option<NonZeroU32>,
    /// Ends the connection when so many bytes (after decryption) were read, wherever in a message that is.
    pub end_after_bytes: Option<(u64, Ending)>,
}

/// How a connection begins.
#[derive(Debug, Clone, Default)]
pub enum Opening {
    /// With the handshake of the listener, if it has TLS.
    #[default]
    Serve,
    /// With other TLS files; without TLS the same as `Serve`.
    ServeWith(ServerTls),
    /// With these steps instead of a handshake and frames; then it ends.
    Instead {
        /// Wait for the peer's first bytes.
        read_first: bool,
        /// What is done.
        steps: Vec<Step>,
    },
}

impl Reply {
    /// One payload; the connection goes on.
    pub fn one(payload: impl Into<Vec<u8>>) -> Self {
        Self::frames([payload.into()])
    }

    /// Payloads without framing bytes, in order, each in a frame of its own; the connection goes on.
    pub fn frames(payloads: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { steps: payloads.into_iter().map(Step::Frame).collect() }
    }

    /// Any steps.
    pub fn steps(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// No payload; the connection goes on.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same, and then the end of the connection.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        self.steps.push(Step::End(Ending::Close));
        self
    }
}

/// Sizes only.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(payload) => write!(f, "Frame({} bytes)", payload.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Wait(time) => write!(f, "Wait({time:?})"),
            Self::Call(_) => f.write_str("Call"),
            Self::End(ending) => write!(f, "End({ending:?})"),
        }
    }
}
