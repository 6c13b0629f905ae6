//! What the admin API and the command line say to each other.

use queue::{DeadLetterRecord, DeadLetterSummary, Statistics};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QueueStatus {
    pub(crate) ready: u64,
    pub(crate) in_flight: u64,
    pub(crate) parked: u64,
    pub(crate) parked_groups: usize,
    pub(crate) dead: u64,
    pub(crate) oldest_age_seconds: Option<u64>,
}

impl QueueStatus {
    pub(crate) fn new(statistics: &Statistics, parked_groups: usize) -> Self {
        Self {
            ready: statistics.ready,
            in_flight: statistics.in_flight,
            parked: statistics.parked,
            parked_groups,
            dead: statistics.dead,
            oldest_age_seconds: statistics.oldest_age.map(|age| age.as_secs()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) groups: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeadLetters {
    pub(crate) dead_letters: Vec<DeadLetterLine>,
}

/// A dead letter without content.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeadLetterLine {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) control_id: String,
    pub(crate) event: String,
    pub(crate) version: Option<u64>,
    pub(crate) enqueued_at: String,
    pub(crate) reason: String,
    pub(crate) ack_code: Option<String>,
    pub(crate) error_code: Option<String>,
    /// RFC 3339.
    pub(crate) dead_since: String,
    pub(crate) superseded: bool,
}

impl From<&DeadLetterSummary> for DeadLetterLine {
    fn from(summary: &DeadLetterSummary) -> Self {
        let milliseconds = i64::try_from(summary.dead_since_ms).unwrap_or(i64::MAX);
        let since = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default();
        let facts = &summary.attributes;
        Self {
            id: summary.id.to_string(),
            group: summary.group.as_str().to_owned(),
            control_id: facts.control_id.clone(),
            event: facts.event.clone(),
            version: facts.version,
            enqueued_at: facts.enqueued_at.clone(),
            reason: summary.reason.as_str().to_owned(),
            ack_code: summary.ack_code.clone(),
            error_code: summary.error_code.clone(),
            dead_since: since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            superseded: summary.superseded,
        }
    }
}

/// A dead letter with its message: patient data, so there is no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeadLetterFull {
    #[serde(flatten)]
    pub(crate) line: DeadLetterLine,
    pub(crate) attempts: u32,
    /// The message as it was queued.
    pub(crate) body: String,
    /// The acknowledgment that decided, where the queue keeps it.
    pub(crate) acknowledgment: Option<String>,
}

impl From<DeadLetterRecord> for DeadLetterFull {
    fn from(record: DeadLetterRecord) -> Self {
        Self {
            line: DeadLetterLine::from(&record.summary),
            attempts: record.letter.attempts,
            body: record.envelope.body,
            acknowledgment: record.letter.text,
        }
    }
}
