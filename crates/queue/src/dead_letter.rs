//! Messages that were given up, with the reason, and what an operator can do with them.

use std::{fmt, str::FromStr};

use async_trait::async_trait;

use crate::{Attributes, Envelope, GroupId, QueueError};

/// Why and after what a message was given up.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The cause.
    pub reason: Reason,
    /// MSA-1 of the deciding acknowledgment.
    pub ack_code: Option<String>,
    /// ERR-3.1 of the deciding acknowledgment (table 0357).
    pub error_code: Option<String>,
    /// How many times the message was written to the endpoint.
    pub attempts: u32,
    /// Free text of the acknowledgment. Receivers echo PHI in it, so it stays in the record: never in `Debug`,
    /// logs or message attributes. Backends without a private place for it drop it.
    pub text: Option<String>,
}

impl DeadLetter {
    /// A dead letter of which only the reason is known.
    pub fn new(reason: Reason) -> Self {
        Self { reason, ack_code: None, error_code: None, attempts: 0, text: None }
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("reason", &self.reason)
            .field("ack_code", &self.ack_code)
            .field("error_code", &self.error_code)
            .field("attempts", &self.attempts)
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .finish()
    }
}

/// The cause of a dead letter; the text form is stable, it is stored and shown to operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The endpoint refused the message and would refuse it again.
    NegativeAcknowledgment,
    /// The endpoint refused the message more often than the policy allows.
    RetriesExhausted,
    /// The endpoint takes custody (commit accept) and then reports failure.
    ApplicationNegative,
    /// The connection was lost each time this message was sent while others were accepted.
    KillsPeer,
    /// The message got older than the policy allows.
    Expired,
    /// The message is larger than the endpoint or a frame allows.
    TooLarge,
    /// The body cannot be sent: not ER7, or MSH-10 is not the control id it was queued with.
    Unsendable,
    /// Received more often than the backstop allows: the process dies while it works on it.
    ReceiveLimit,
    /// An earlier message of its group was given up and the group policy is to park.
    Parked,
    /// The stored bytes no longer match their checksum; they must not be delivered.
    Damaged,
}

impl Reason {
    /// Every reason, for tables and command lines.
    pub const ALL: [Self; 10] = [
        Self::NegativeAcknowledgment,
        Self::RetriesExhausted,
        Self::ApplicationNegative,
        Self::KillsPeer,
        Self::Expired,
        Self::TooLarge,
        Self::Unsendable,
        Self::ReceiveLimit,
        Self::Parked,
        Self::Damaged,
    ];

    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NegativeAcknowledgment => "negative_acknowledgment",
            Self::RetriesExhausted => "retries_exhausted",
            Self::ApplicationNegative => "app_negative",
            Self::KillsPeer => "kills_peer",
            Self::Expired => "expired",
            Self::TooLarge => "too_large",
            Self::Unsendable => "unsendable",
            Self::ReceiveLimit => "receive_limit",
            Self::Parked => "parked",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<Self, QueueError> {
        let known = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        known.ok_or_else(|| QueueError::Corrupt { reason: "unknown dead letter reason".into() })
    }
}

/// Names a dead letter in the calls of an operator; not PHI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeadLetterId(String);

impl DeadLetterId {
    /// Wraps what a listing showed.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// As text, for a listing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place in a local queue.
    pub(crate) fn place(&self) -> Result<u64, QueueError> {
        self.0.parse().map_err(|_| QueueError::NotFound)
    }
}

impl From<u64> for DeadLetterId {
    fn from(sequence: u64) -> Self {
        Self(sequence.to_string())
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of a dead-letter listing; no body, no free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSummary {
    /// Names the record in the other calls.
    pub id: DeadLetterId,
    /// Its ordering group.
    pub group: GroupId,
    /// Facts about the message.
    pub attributes: Attributes,
    /// Why it is here.
    pub reason: Reason,
    /// MSA-1, when an acknowledgment decided.
    pub ack_code: Option<String>,
    /// ERR-3.1, when an acknowledgment decided.
    pub error_code: Option<String>,
    /// When it was given up, milliseconds since 1970.
    pub dead_since_ms: u64,
    /// Whether a newer message of the group was delivered since: a redrive would roll the patient back. SQS cannot
    /// tell, it is always false there.
    pub superseded: bool,
}

/// A whole record. `Debug` shows no body and no free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRecord {
    /// The listing line.
    pub summary: DeadLetterSummary,
    /// The message as it was queued, byte for byte.
    pub envelope: Envelope,
    /// Why it was given up.
    pub letter: DeadLetter,
}

/// What a redrive does when the group has moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Refuse with [`QueueError::Superseded`] (the default: an old state must not overwrite a newer one).
    Refuse,
    /// Send it all the same; the operator has looked.
    Force,
}

/// The operator's side of a queue: look at dead letters, send them again or let them go.
///
/// What SQS cannot do: a group shows its first ten dead letters, because a FIFO queue hands out no more of it at a
/// time; a message that another reader looks at is hidden meanwhile; and nobody can tell whether a newer message of a
/// group was delivered.
#[async_trait]
pub trait DeadLetterQueue: fmt::Debug + Send + Sync {
    /// Up to `limit` records that come after the record `after`, oldest first, of one group when `group` is given.
    async fn list(
        &self,
        group: Option<&GroupId>,
        after: Option<&DeadLetterId>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, QueueError>;

    /// The whole record, PHI included: for the operator who asked, and for exports.
    async fn show(&self, id: &DeadLetterId) -> Result<DeadLetterRecord, QueueError>;

    /// Makes a message deliverable again, before every later message of its group. The one exception is SQS while the
    /// group is not parked: the message goes behind what waits. In a parked group, local queues keep the message back
    /// until [`unpark`](Self::unpark), as every other of the group; SQS hands it out at once, ahead of the others.
    ///
    /// # Errors
    /// With [`Stale::Refuse`]: [`QueueError::Superseded`] when a newer message of the group was delivered or is on
    /// lease, [`QueueError::MaybeSuperseded`] when that cannot be known, [`QueueError::OutOfOrder`] when an older one
    /// is still a dead letter. [`QueueError::NotFound`].
    async fn redrive(&self, id: &DeadLetterId, stale: Stale) -> Result<(), QueueError>;

    /// Removes a dead letter for good.
    async fn skip(&self, id: &DeadLetterId) -> Result<(), QueueError>;

    /// Withholds all messages of a group until [`unpark`](Self::unpark); survives a restart.
    async fn park(&self, group: &GroupId) -> Result<(), QueueError>;

    /// Lets a parked group flow again.
    async fn unpark(&self, group: &GroupId) -> Result<(), QueueError>;

    /// The parked groups.
    async fn parked(&self) -> Result<Vec<GroupId>, QueueError>;
}
