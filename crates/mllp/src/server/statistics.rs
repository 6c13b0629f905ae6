//! What a listener counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// A connection was accepted.
    Connection,
    /// A connection came and went without a byte: a load balancer's health check.
    Probe,
    /// A TLS handshake failed or took too long.
    HandshakeFailure,
    /// A frame was read.
    Frame,
    /// A peer was closed for silence between frames.
    Idle,
    /// A peer was closed for a frame that came too slowly.
    Slow,
    /// A peer was closed to make room.
    Evicted,
    /// A frame was over the limit.
    TooLarge,
    /// A peer sent too much that was not MLLP.
    Junk,
    /// A stream ended inside a frame.
    Truncated,
    /// A reply could not be written.
    ReplyFailure,
    /// `accept` failed.
    AcceptError,
}

/// Counters of one listener, from its start.
#[derive(Default)]
pub struct Statistics {
    counters: [AtomicU64; COUNTS.len()],
}

const COUNTS: [Count; 12] = [
    Count::Connection,
    Count::Probe,
    Count::HandshakeFailure,
    Count::Frame,
    Count::Idle,
    Count::Slow,
    Count::Evicted,
    Count::TooLarge,
    Count::Junk,
    Count::Truncated,
    Count::ReplyFailure,
    Count::AcceptError,
];

impl Statistics {
    /// One counter.
    pub fn get(&self, count: Count) -> u64 {
        self.counters.get(count as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub(crate) fn add(&self, count: Count) {
        if let Some(counter) = self.counters.get(count as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(COUNTS.map(|count| (count, self.get(count)))).finish()
    }
}
