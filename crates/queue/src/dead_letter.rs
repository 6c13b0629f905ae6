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

/// One line of a dead-letter listing; no body, no free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSummary {
    /// Names the record in the other calls; the place the message had in the queue.
    pub id: u64,
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
    /// Whether a newer message of the group was delivered since: a redrive would roll the patient back.
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
#[async_trait]
pub trait DeadLetterQueue: fmt::Debug + Send + Sync {
    /// Up to `limit` records with an id above `after`, oldest first, of one group when `group` is given.
    async fn list(
        &self,
        group: Option<&GroupId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, QueueError>;

    /// The whole record, PHI included: for the operator who asked, and for exports.
    async fn show(&self, id: u64) -> Result<DeadLetterRecord, QueueError>;

    /// Puts a message back at its old place, before every later message of its group.
    ///
    /// # Errors
    /// With [`Stale::Refuse`]: [`QueueError::Superseded`] when a newer message of the group was delivered or is on
    /// lease, [`QueueError::OutOfOrder`] when an older one is still a dead letter. [`QueueError::NotFound`].
    async fn redrive(&self, id: u64, stale: Stale) -> Result<(), QueueError>;

    /// Removes a dead letter for good.
    async fn skip(&self, id: u64) -> Result<(), QueueError>;

    /// Withholds all messages of a group until [`unpark`](Self::unpark); survives a restart.
    async fn park(&self, group: &GroupId) -> Result<(), QueueError>;

    /// Lets a parked group flow again.
    async fn unpark(&self, group: &GroupId) -> Result<(), QueueError>;

    /// The parked groups.
    async fn parked(&self) -> Result<Vec<GroupId>, QueueError>;
}
