//! The seam to what only a bridge has: its queue, its dead letters, its sender.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The queue of the process, as an operator sees it.
#[async_trait]
pub trait Pipeline: fmt::Debug + Send + Sync + 'static {
    /// How many messages stand where.
    async fn status(&self) -> Result<QueueStatus, PipelineError>;

    /// Up to `limit` dead letters after the one named `after`, oldest first, of one group if given.
    async fn dead_letters(
        &self,
        group: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<DeadLetters, PipelineError>;

    /// One dead letter with its message.
    async fn dead_letter(&self, id: &str) -> Result<DeadLetterFull, PipelineError>;

    /// Sends a dead letter again; `force_stale` even over a newer state of the patient.
    async fn redrive(&self, id: &str, force_stale: bool) -> Result<(), PipelineError>;

    /// Lets a dead letter go.
    async fn skip(&self, id: &str) -> Result<(), PipelineError>;

    /// The groups that are withheld.
    async fn parked(&self) -> Result<Parked, PipelineError>;

    /// Withholds a group.
    async fn park(&self, group: &str) -> Result<(), PipelineError>;

    /// Lets a group flow.
    async fn unpark(&self, group: &str) -> Result<(), PipelineError>;

    /// Queues a message once more, the same bytes.
    async fn resend(&self, message: Resend) -> Result<(), PipelineError>;

    /// Whether the last thing known of the endpoint is good; `None` when nothing is known.
    fn endpoint(&self) -> String;
}

/// A message to queue once more. Patient data: `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq)]
pub struct Resend {
    /// ER7, as it was queued.
    pub body: String,
    /// MSH-10.
    pub control_id: String,
    /// Such as `ADT^A28`.
    pub event: String,
    /// The ordering group it was queued in.
    pub group: String,
}

impl fmt::Debug for Resend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resend").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Why the queue did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// There is no such record.
    #[error("there is no such record")]
    NotFound,
    /// It would harm: the state of a patient would go back, or an order would break.
    #[error("{reason}")]
    Refused {
        /// What would go wrong.
        reason: String,
    },
    /// The queue is away or full; may be tried again.
    #[error("{reason}")]
    Unavailable {
        /// What is away.
        reason: String,
    },
    /// This queue cannot do that.
    #[error("this queue cannot do that")]
    Unsupported,
    /// The request makes no sense.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The queue is broken.
    #[error("{reason}")]
    Failed {
        /// How.
        reason: String,
    },
}

/// How many messages stand where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Waiting to be handed out.
    pub ready: u64,
    /// With the sender.
    pub in_flight: u64,
    /// Withheld with their group.
    pub parked: u64,
    /// Groups that are withheld.
    pub parked_groups: usize,
    /// Dead letters.
    pub dead: u64,
    /// Age of the oldest message that waits.
    pub oldest_age_seconds: Option<u64>,
}

/// Withheld groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Hashes of the patients.
    pub groups: Vec<String>,
}

/// A page of dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// Oldest first.
    pub dead_letters: Vec<DeadLetterLine>,
}

/// A dead letter without content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterLine {
    /// Names it in the other calls.
    pub id: String,
    /// Hash of its patient.
    pub group: String,
    /// MSH-10.
    pub control_id: String,
    /// Such as `ADT^A28`.
    pub event: String,
    /// Of the resource.
    pub version: Option<u64>,
    /// RFC 3339.
    pub enqueued_at: String,
    /// Why it was given up.
    pub reason: String,
    /// MSA-1.
    pub ack_code: Option<String>,
    /// ERR-3.1.
    pub error_code: Option<String>,
    /// RFC 3339.
    pub dead_since: String,
    /// Whether a newer message of the patient was delivered since.
    pub superseded: bool,
}

/// A dead letter with its message: patient data, so there is no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterFull {
    /// What the listing says.
    #[serde(flatten)]
    pub line: DeadLetterLine,
    /// How often it was sent.
    pub attempts: u32,
    /// The message as it was queued.
    pub body: String,
    /// The acknowledgment that decided, where the queue keeps it.
    pub acknowledgment: Option<String>,
}
