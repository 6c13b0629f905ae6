//! The log of what the proxy did.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Close, Direction};

/// One thing the proxy did to one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Rises by one, over all flows.
    pub sequence: u64,
    /// Since the start of the proxy.
    pub at: Duration,
    /// Which flow, counted from 1 in the order of arrival.
    pub flow: u64,
    /// What.
    pub kind: EventKind,
    /// Bytes that had passed to the server.
    pub to_server_bytes: u64,
    /// Bytes that had passed to the client.
    pub to_client_bytes: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A flow began.
    Opened,
    /// Ended at arrival, by order.
    EndedAtArrival(Close),
    /// Accepted and never forwarded, by order.
    Held,
    /// The server could not be reached; the client was reset.
    Unreachable,
    /// Cut after a number of bytes of this direction.
    Cut(Direction, Close),
    /// Began to swallow bytes of this direction.
    Swallowed(Direction),
    /// Stopped reading this direction; what is in the sockets may still arrive after its sender gave up.
    StoppedReading(Direction),
    /// Reset because bytes were missing when the swallowing ended.
    LostBytes,
    /// One direction was ended.
    HalfClosed(Direction),
    /// Ended by order.
    Ended(Close),
    /// The flow was forgotten.
    Forgotten,
    /// Somebody sent on a forgotten flow and was reset.
    ForgottenReset,
    /// Both peers ended it themselves, or one reset it.
    Finished,
}

impl EventKind {
    /// Whether this event can make the outcome of a message unclear.
    fn breaks(self) -> bool {
        match self {
            Self::Cut(..)
            | Self::Swallowed(_)
            | Self::StoppedReading(_)
            | Self::LostBytes
            | Self::HalfClosed(_)
            | Self::Ended(_)
            | Self::Forgotten
            | Self::ForgottenReset => true,
            Self::Opened | Self::EndedAtArrival(_) | Self::Held | Self::Unreachable | Self::Finished => false,
        }
    }
}

/// Appended to by every flow.
#[derive(Debug)]
pub(crate) struct Log {
    started: Instant,
    events: Mutex<Vec<Event>>,
}

impl Default for Log {
    fn default() -> Self {
        Self { started: Instant::now(), events: Mutex::default() }
    }
}

impl Log {
    pub(crate) fn write(&self, flow: u64, kind: EventKind, to_server_bytes: u64, to_client_bytes: u64) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = events.len() as u64 + 1;
        let at = self.started.elapsed();
        events.push(Event { sequence, at, flow, kind, to_server_bytes, to_client_bytes });
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn broken_flows(&self) -> u64 {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut flows: Vec<u64> = events
            .iter()
            .filter(|event| event.kind.breaks() && (event.to_server_bytes > 0 || swallowed(event)))
            .map(|event| event.flow)
            .collect();
        flows.sort_unstable();
        flows.dedup();
        flows.len() as u64
    }
}

/// Swallowed bytes and those that wait never count as passed, yet their sender wrote them.
fn swallowed(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Swallowed(_) | EventKind::StoppedReading(_) | EventKind::Cut(Direction::ToServer, _)
    )
}
