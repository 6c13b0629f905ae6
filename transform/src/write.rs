//! A write, from what is known of the patient to the durable message and its record.
//!
//! Every surface comes down to [`Write`]. Order of the steps: read what is known, decide (`before`), convert, read the
//! message back, queue, remember. Nothing is stored before the queue has the message, so a refused write can be sent
//! again; nothing after it can turn the answer into an error. A transaction prepares all its writes before it commits
//! the first.

mod before;
mod claim;
mod message;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use message_store::{AcceptedRecord, Mark, PatientKey, Precondition, StoreError};
use queue::Envelope;
use serde_json::json;
use tokio::time::Instant;

use self::{
    before::{Before, Judgement},
    claim::Turn,
    message::{Composed, Understood},
};
use crate::{
    answer::Shown, error::HookError, given::Given, hook::Hook, mapping::Notes, patient_lock::PatientGuard,
    record::Version, stamp::Stamp, told::Told,
};

/// What is to be done. A server that notifies of a create and of an update may use the same method for both: what is
/// known of the patient decides which message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// With an id that the hook made.
    Create,
    Update,
    Delete,
}

/// Where a write comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It happens now.
    #[default]
    Live,
    /// It is history: always an update, never a create.
    Backfill,
}

/// A write that was asked for.
#[derive(Clone)]
pub(crate) struct Write {
    pub(crate) verb: Verb,
    pub(crate) patient: PatientKey,
    /// `None` for a delete.
    pub(crate) resource: Option<Given>,
    /// What the sender says of the version. `None` where the hook alone counts: every write is then a new version, in
    /// the order of arrival.
    pub(crate) told: Option<Told>,
    /// Sends a version again that was sent already.
    pub(crate) replay: bool,
    pub(crate) origin: Origin,
    /// Stands for the client's name of the request together with its content.
    pub(crate) request: Option<String>,
    pub(crate) traceparent: String,
    pub(crate) if_match: Option<String>,
    pub(crate) only_if_new: bool,
    /// Ignores elements that R4 does not have.
    pub(crate) lenient: bool,
}

/// What was done.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// The patient is as given. `repeated`: it was already, and nothing was sent.
    Written { resource: Shown, version: Version, new: bool, notes: Notes, repeated: bool },
    /// The patient is deleted; `sent`: a message says so.
    Deleted { sent: bool },
    /// A newer version was sent already; nothing was done.
    Stale { given: String, current: String },
}

/// Performs the write. One patient's writes follow each other in the order they get here.
pub(crate) async fn perform(hook: Arc<Hook>, write: Write) -> Result<Outcome, HookError> {
    match prepare(&hook, write).await? {
        Prepared::Done(outcome) => Ok(outcome),
        Prepared::Ready(ready) => ready.commit(&hook).await,
    }
}

/// A write of which everything is known but whether the queue takes it.
pub(crate) enum Prepared {
    Done(Outcome),
    Ready(Box<Ready>),
}

/// Holds the patient until it is committed or dropped.
pub(crate) struct Ready {
    write: Write,
    before: Before,
    composed: Composed,
    envelopes: Vec<Envelope>,
    told: Option<Told>,
    _turn: PatientGuard,
}

/// Everything up to the queue.
pub(crate) async fn prepare(hook: &Arc<Hook>, write: Write) -> Result<Prepared, HookError> {
    let prepared = read_and_convert(hook, write).await;
    match &prepared {
        Ok(Prepared::Done(outcome)) => hook.metrics().written(outcome),
        Ok(Prepared::Ready(_)) => {}
        Err(error) => hook.metrics().not_written(error),
    }
    prepared
}

async fn read_and_convert(hook: &Arc<Hook>, write: Write) -> Result<Prepared, HookError> {
    let turn = hook.locks().lock(&write.patient).await;
    let patience = Instant::now() + hook.request_timeout() / 2;
    loop {
        let mut before = Before::read(hook, &write).await?;
        match Turn::of(hook, &write, &before) {
            Turn::Ours => {}
            Turn::Theirs if Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(rand::random_range(10..=100))).await;
                continue;
            }
            Turn::Theirs | Turn::Unsettled => return Err(HookError::Busy),
        }
        let told;
        let composed = match before.judge(hook, &write)? {
            Judgement::Done(outcome) => return Ok(Prepared::Done(outcome)),
            Judgement::Remember => {
                told = write.told.clone();
                Composed::nothing(hook, &write, &before)
            }
            Judgement::Again => {
                told = None;
                Composed::again(hook, &write, &before)?
            }
            Judgement::Send(version) => {
                told = version;
                Composed::convert(hook, &write, &before, told.as_ref()).await?
            }
        };
        let envelopes = composed.envelopes(hook, &write)?;
        if claim::take(hook, &write, &mut before, told.as_ref()).await? {
            return Ok(Prepared::Ready(Box::new(Ready {
                write,
                before,
                composed,
                envelopes,
                told,
                _turn: turn,
            })));
        }
    }
}

impl Ready {
    /// Queues the messages, then remembers them.
    pub(crate) async fn commit(mut self, hook: &Hook) -> Result<Outcome, HookError> {
        let envelopes = std::mem::take(&mut self.envelopes);
        if let Err(error) = Composed::queue(envelopes, hook, &self.write).await {
            hook.metrics().not_written(&error);
            claim::give_back(hook, &self.write, &self.before, Some(&error)).await;
            return Err(error);
        }
        match self.record() {
            Some(record) => self.remember(hook, record).await,
            None => claim::give_back(hook, &self.write, &self.before, None).await,
        }
        let outcome = self.outcome();
        hook.metrics().written(&outcome);
        Ok(outcome)
    }

    /// Lets the patient go; nothing was queued.
    pub(crate) async fn abandon(self, hook: &Hook) {
        claim::give_back(hook, &self.write, &self.before, None).await;
    }

    fn outcome(self) -> Outcome {
        let new = !self.before.is_present();
        let Composed { understood, version, notes, again, messages, .. } = self.composed;
        let resource = match (understood, self.write.verb) {
            (_, Verb::Delete) => return Outcome::Deleted { sent: !messages.is_empty() },
            (Understood::Patient(resource), _) => resource,
            (Understood::Unchanged(resource), _) => resource.into(),
            // The mapping turned the write into a delete, as configured for inactive patients.
            (Understood::Deleted, _) => json!({ "resourceType": "Patient", "active": false }).into(),
        };
        Outcome::Written { resource, version, new, notes, repeated: again }
    }

    /// Keeps the message as the patient's last accepted one. The write is accepted already: a failure here is logged,
    /// and a read may then miss the write until it is delivered.
    async fn remember(&self, hook: &Hook, mut record: AcceptedRecord) {
        let mut seen = self.before.accepted.clone();
        for _ in 0..ROUNDS {
            let precondition = seen.map_or(Precondition::Absent, |seen| Precondition::Matches(seen.tag));
            let patient = &self.write.patient;
            let error = match hook.store().put_accepted(patient, record.clone(), precondition).await {
                Ok(_) => return hook.unsaved().forget(patient),
                Err(StoreError::Changed) => match hook.store().accepted(patient).await {
                    // Another instance was quicker and later: its message is the one to show.
                    Ok(Some(there)) if there.record.order >= record.order => return,
                    Ok(there) => {
                        if let Some(there) = &there {
                            record.version = record.version.max(there.record.version.saturating_add(1));
                            // The turn is theirs now.
                            record.claim.clone_from(&there.record.claim);
                        }
                        seen = there;
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tracing::error!(
                hl7.control_id = record.control_id,
                %error,
                "accepted, but not remembered: {error}"
            );
            // The store still has our claim. This process knows what came of it; others wait for its end.
            let claim = self.before.accepted.as_ref().and_then(|there| there.record.claim.as_ref());
            if let (true, Some(claim)) = (hook.unsaved().keep(patient, record), claim) {
                hook.own_claims().keep(patient, claim);
            }
            return;
        }
        tracing::error!(
            hl7.control_id = record.control_id,
            "accepted, but not remembered: others kept writing"
        );
    }

    /// The record of this write. `None` where there is nothing to show for it, and never was.
    fn record(&self) -> Option<AcceptedRecord> {
        let Composed { messages, understood, version, again, .. } = &self.composed;
        if *again {
            return None;
        }
        let order = version.updated.order().ok()?;
        let before = self.before.record();
        let first = messages.first();
        let (body, control_id, deleted) = match understood {
            Understood::Patient(_) | Understood::Deleted => (
                first.map_or_else(Bytes::new, |message| message.er7.clone().into()),
                first.map_or_else(String::new, |message| message.control_id.clone()),
                matches!(understood, Understood::Deleted),
            ),
            // What a read shows stays, and yet this version has been dealt with.
            Understood::Unchanged(_) => {
                let before = before?;
                (before.body.clone(), before.control_id.clone(), before.deleted)
            }
        };
        let told = self.told.as_ref().map(Told::mark).unwrap_or_default();
        let known = before.map(|before| before.told.clone()).unwrap_or_default();
        Some(AcceptedRecord {
            body,
            deleted,
            version: version.number,
            order,
            control_id,
            request: self.write.request.clone(),
            counted: told.version_id.is_none(),
            told: Mark {
                version_id: told.version_id.or(known.version_id),
                last_updated: told.last_updated.or(known.last_updated),
            },
            content: self.write.resource.as_ref().map(|given| given.content().to_owned()),
            claim: None,
        })
    }
}

/// The instant that names a write: when its server made the version, or now; never before the last one.
fn updated(hook: &Hook, told: Option<&Told>, before: Option<Stamp>) -> Stamp {
    let now = || Stamp::now(hook.clock()).after(before);
    let Some(instant) = told.and_then(|told| told.last_updated) else { return now() };
    let updated = Stamp::of(instant);
    if before.is_some_and(|before| updated < before) { updated.after(before) } else { updated }
}

/// A name that nothing else has.
fn unique() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().simple().to_string()
}

pub(crate) const SOURCE: &str = "persistence/Patient";
const ROUNDS: usize = 8;
