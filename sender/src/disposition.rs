//! What an answer, or none, means for the message: the policy table, pure.

use hl7v2::{AckCode, ErrorCode};
use queue::Reason;

use crate::config::Policy;

/// How the control id of an acknowledgment (MSA-2) relates to ours (MSH-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Own,
    Other,
    Blank,
}

/// What came back for a message on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An acknowledgment; `error` is the first of its ERR segments.
    Acknowledgment { code: AckCode, error: Option<ErrorCode>, control_id: Match },
    /// A frame that is no acknowledgment.
    Other,
    /// Nothing usable before the connection or the time ended; the endpoint may have the message.
    Lost,
}

/// What happened to the message so far, this attempt included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// How often it was written to the endpoint.
    pub(crate) attempts: u32,
    /// How often the endpoint refused it.
    pub(crate) negatives: u32,
    /// How often it was lost while other messages were accepted in between.
    pub(crate) suspicious_losses: u32,
    /// Whether the endpoint took custody (commit accept) and owes an application acknowledgment.
    pub(crate) committed: bool,
}

/// What to do with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It was delivered: remove it from the queue.
    Delivered,
    /// Not for us, or not yet: go on reading until the deadline.
    KeepWaiting,
    /// The endpoint took custody; wait for its application acknowledgment, never send again.
    AwaitApplication,
    /// The endpoint refused it for now: send the same bytes again later.
    RetryRefused,
    /// Whether it arrived is unknown, or the endpoint does not keep to the protocol: send the same bytes again
    /// over a new connection. Counts against the endpoint, not the message.
    RetryLost,
    /// Give it up.
    DeadLetter(Reason),
}

impl Disposition {
    /// For logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::KeepWaiting | Self::AwaitApplication => "waiting",
            Self::RetryRefused => "retry_refused",
            Self::RetryLost => "retry_lost",
            Self::DeadLetter(_) => "dead_letter",
        }
    }
}

/// Decides. `application_wanted` says whether MSH-16 of the message asks for an application acknowledgment.
pub(crate) fn decide(
    answer: Answer,
    history: History,
    application_wanted: bool,
    policy: &Policy,
) -> Disposition {
    use Disposition::{AwaitApplication, Delivered, KeepWaiting, RetryLost};
    let (code, error, control_id) = match answer {
        Answer::Other => return KeepWaiting,
        // Custody was taken: a resend would be a duplicate for certain.
        Answer::Lost if history.committed => return Delivered,
        Answer::Lost if history.suspicious_losses >= policy.max_peer_losses => {
            return Disposition::DeadLetter(Reason::KillsPeer);
        }
        Answer::Lost => return RetryLost,
        Answer::Acknowledgment { code, error, control_id } => (code, error, control_id),
    };
    match (code, control_id) {
        (_, Match::Other) => KeepWaiting,
        (AckCode::AA | AckCode::CA, Match::Blank) if !policy.accept_blank_control_id => RetryLost,
        (AckCode::AA, Match::Own | Match::Blank) => Delivered,
        (AckCode::CA, Match::Own | Match::Blank) if application_wanted => AwaitApplication,
        (AckCode::CA, Match::Own | Match::Blank) => Delivered,
        (AckCode::AE | AckCode::AR, Match::Own) if history.committed => {
            Disposition::DeadLetter(Reason::ApplicationNegative)
        }
        // A refusal without MSA-2 is ours all the same: nothing else is on the wire, and who cannot read a
        // message cannot repeat its id.
        (AckCode::AE | AckCode::CE, Match::Own | Match::Blank) => {
            refused(error, history, policy.max_errors, policy)
        }
        (AckCode::AR | AckCode::CR, Match::Own | Match::Blank) => {
            refused(error, history, policy.max_rejects, policy)
        }
    }
}

/// A refusal by its cause, HL7 table 0357 (v2.5.1 §2.15.5.3).
fn refused(error: Option<ErrorCode>, history: History, limit: u32, policy: &Policy) -> Disposition {
    let retry = |limit| {
        if history.negatives >= limit {
            Disposition::DeadLetter(Reason::RetriesExhausted)
        } else {
            Disposition::RetryRefused
        }
    };
    match error {
        // A warning or an information is no reason to give up.
        Some(ErrorCode { severity: Some('W' | 'I'), .. }) => retry(policy.max_passing_faults),
        // Segment order, required field, data type, table value; message type, event, processing id, version.
        Some(ErrorCode { code: 100..=104 | 200..=203, .. }) => {
            Disposition::DeadLetter(Reason::NegativeAcknowledgment)
        }
        // Duplicate key: our own earlier attempt arrived although its acknowledgment was lost.
        Some(ErrorCode { code: 205, .. }) if history.attempts > 1 => Disposition::Delivered,
        Some(ErrorCode { code: 205, .. }) => Disposition::DeadLetter(Reason::NegativeAcknowledgment),
        // Record locked, internal error.
        Some(ErrorCode { code: 206 | 207, .. }) => retry(policy.max_passing_faults),
        Some(_) | None => retry(limit),
    }
}

#[cfg(test)]
mod tests;
