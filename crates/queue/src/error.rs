//! Why a queue call did not do what was asked.

/// Says what the caller can do. Holds locations and causes, never a value of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue cannot be reached or stopped working; retry later. For the embedded queue this is final: the
    /// process must restart (see [`Queue::failed`](crate::Queue::failed)).
    #[error("queue unavailable: {reason}")]
    Unavailable {
        /// The cause, without values.
        reason: String,
    },
    /// No room for another message; deletes still work. Retry later.
    #[error("queue full")]
    Full,
    /// The body is over the limit; never retry.
    #[error("message of {size_bytes} bytes is over the limit of {limit_bytes}")]
    TooLarge {
        /// Size of the refused body.
        size_bytes: usize,
        /// The most this queue takes.
        limit_bytes: usize,
    },
    /// The body is empty or holds a character no queue carries; never retry.
    #[error("body is empty or has a refused character at byte {offset}")]
    InvalidBody {
        /// Where the first refused character starts.
        offset: usize,
    },
    /// An id or attribute is empty, too long or holds refused characters; never retry.
    #[error("{field} of the envelope is not acceptable")]
    InvalidEnvelope {
        /// Which one.
        field: &'static str,
    },
    /// The lease ended; the message was or will be delivered again, do nothing with this receipt.
    #[error("receipt is stale")]
    Stale,
    /// The file is damaged; an operator must look at it.
    #[error("queue file damaged: {reason}")]
    Corrupt {
        /// The cause, without values.
        reason: String,
    },
    /// Another process owns the queue file.
    #[error("the queue file belongs to another running process")]
    Owned,
    /// The settings cannot work; retrying does not help.
    #[error("queue configuration: {reason}")]
    Configuration {
        /// Which setting, and why.
        reason: String,
    },
    /// No such dead letter or group.
    #[error("not found")]
    NotFound,
    /// Redrive refused: a newer message of the group was already delivered, this one would roll it back.
    #[error("a newer message of the group was already delivered")]
    Superseded,
    /// Redrive refused: this queue cannot tell whether a newer message of the group was delivered.
    #[error("this queue cannot tell whether a newer message of the group was already delivered")]
    MaybeSuperseded,
    /// Redrive refused: an older dead letter of the group must be redriven or skipped first.
    #[error("an older dead letter of the group comes first")]
    OutOfOrder,
    /// This backend does not offer the operation.
    #[error("not supported by this queue")]
    Unsupported,
}

impl QueueError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full)
    }
}
