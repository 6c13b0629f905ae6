//! A message on lease.

use std::fmt;

use crate::Envelope;

/// A message handed out for a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message, byte for byte as it was sent.
    pub envelope: Envelope,
    /// Proves the lease; a later receive of the same message makes it stale.
    pub receipt: Receipt,
    /// How often the message was handed out, this time included. Exact in SQS; the embedded queue forgets a
    /// lease that a crash ended.
    pub receive_count: u32,
    /// Rises with every message of a group; compare only inside one group. Digits of any length.
    pub sequence: String,
}

/// Proof of a lease, opaque to callers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

impl Receipt {
    /// Wraps what the backend handed out.
    pub fn new(handle: impl Into<String>) -> Self {
        Self(handle.into())
    }

    /// What the backend handed out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

/// What became of a send; both mean that the message is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Queued now.
    New {
        /// Its place, see [`Delivery::sequence`].
        sequence: String,
    },
    /// The same group and deduplication id was sent inside the window; nothing was queued.
    Duplicate {
        /// The place of the first one (backends that cannot tell leave it empty).
        sequence: String,
    },
}
