//! Turns between processes that share one store: a conditional write says who is writing a patient.
//!
//! A lock orders the writes of one process. Where several serve one queue, each marks the patient's record before it
//! queues and takes the mark away with the record of its write. A process that dies in between keeps others waiting for
//! the time of one claim; what it may have queued is then still known, so that an older version is not sent after it.

use std::{cmp::Ordering, time::Duration};

use bytes::Bytes;
use jiff::SignedDuration;
use message_store::{Accepted, AcceptedRecord, Claim, Mark, Precondition, StoreError};
use queue::QueueError;

use super::{Verb, Write, before::Before, unique};
use crate::{error::HookError, hook::Hook, stamp::Stamp, told::Told};

/// Whether another process stands in the way of a write.
pub(super) enum Turn {
    Ours,
    /// Another one is writing.
    Theirs,
    /// Another one has queued a newer version, or has not: only its own repeat will tell.
    Unsettled,
}

impl Turn {
    pub(super) fn of(hook: &Hook, write: &Write, before: &Before) -> Self {
        let Some(claim) = before.accepted.as_ref().and_then(|there| there.record.claim.as_ref()) else {
            return Self::Ours;
        };
        if hook.own_claims().holds(&write.patient, claim) {
            return Self::Ours;
        }
        if Stamp::from_order(&claim.until).is_some_and(|until| Stamp::now(hook.clock()) < until) {
            return Self::Theirs;
        }
        match &write.told {
            Some(told) if told.compare(&claim.told) == Some(Ordering::Less) => Self::Unsettled,
            _ => Self::Ours,
        }
    }
}

/// Marks the patient as being written. False: somebody else changed the record since it was read.
pub(super) async fn take(
    hook: &Hook,
    write: &Write,
    before: &mut Before,
    told: Option<&Told>,
) -> Result<bool, HookError> {
    let fresh = write.verb == Verb::Create && write.request.is_none();
    if fresh || !hook.store().is_shared() {
        return Ok(true);
    }
    let (precondition, record) = match &before.accepted {
        Some(Accepted { record, tag }) => (Precondition::Matches(tag.clone()), record.clone()),
        None => (Precondition::Absent, blank(hook)?),
    };
    let claim = Claim {
        until: in_time(hook, hook.request_timeout() + MARGIN)?,
        nonce: unique(),
        told: told.map(Told::mark).unwrap_or_default(),
    };
    let record = AcceptedRecord { claim: Some(claim.clone()), ..record };
    let error = match hook.store().put_accepted(&write.patient, record.clone(), precondition).await {
        Ok(tag) => {
            hook.own_claims().forget(&write.patient);
            before.accepted = Some(Accepted { record, tag });
            return Ok(true);
        }
        Err(error) => error,
    };
    // The claim may be stored all the same: its answer was lost, or the client's repeat found it there.
    hook.own_claims().keep(&write.patient, &claim);
    match hook.store().accepted(&write.patient).await {
        Ok(Some(there)) if there.record == record => {
            hook.own_claims().forget(&write.patient);
            before.accepted = Some(there);
            Ok(true)
        }
        Ok(_) if matches!(error, StoreError::Changed) => Ok(false),
        Ok(_) | Err(_) => Err(error.into()),
    }
}

/// Lets the patient go after a write that ended without its record. `cause` is what the queue said: a message that may
/// be in it keeps older versions back.
pub(super) async fn give_back(hook: &Hook, write: &Write, before: &Before, cause: Option<&HookError>) {
    let Some(Accepted { record, tag }) = &before.accepted else { return };
    let Some(claim) = record.claim.clone().filter(|_| hook.store().is_shared()) else { return };
    let queued = matches!(cause, Some(HookError::Queue(QueueError::Unavailable { .. })));
    let Ok(until) = in_time(hook, Duration::ZERO) else { return };
    let claim = queued.then_some(Claim { until, ..claim });
    let record = AcceptedRecord { claim, ..record.clone() };
    let put = hook.store().put_accepted(&write.patient, record, Precondition::Matches(tag.clone()));
    if let Err(error) = put.await {
        tracing::warn!(%error, "a claim stays until its time is over: {error}");
    }
}

/// The record of a patient of whom no write was accepted.
fn blank(hook: &Hook) -> Result<AcceptedRecord, HookError> {
    Ok(AcceptedRecord {
        body: Bytes::new(),
        deleted: false,
        version: 0,
        order: in_time(hook, Duration::ZERO)?,
        control_id: String::new(),
        request: None,
        told: Mark::default(),
        counted: true,
        content: None,
        claim: None,
    })
}

fn in_time(hook: &Hook, time: Duration) -> Result<message_store::OrderingKey, HookError> {
    let wrong = || HookError::Internal { trace: String::new(), reason: "the clock is out of range" };
    let time = SignedDuration::try_from(time).map_err(|_| wrong())?;
    let until = Stamp::now(hook.clock()).instant().checked_add(time).map_err(|_| wrong())?;
    Stamp::of(until).order().map_err(|_| wrong())
}

/// Time that a write may take beyond its request.
const MARGIN: Duration = Duration::from_secs(10);
