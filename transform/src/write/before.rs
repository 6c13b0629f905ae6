//! What is known of a patient before a write, and what that makes of the write.

use std::cmp::Ordering;

use message_store::{Accepted, AcceptedRecord};
use serde_json::Value;

use super::{Outcome, Verb, Write};
use crate::{
    error::HookError,
    given::Given,
    hook::Hook,
    mapping::{Notes, Said},
    record::{self, Record, Version},
    stamp::Stamp,
    told::{self, Told},
};

/// What is known of the patient before the write.
pub(super) struct Before {
    pub(super) accepted: Option<Accepted>,
    /// What was accepted since, and could not be stored.
    unsaved: Option<AcceptedRecord>,
    pub(super) state: State,
    /// The patient as it is, where a delete or a link needs it.
    pub(super) resource: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Unknown,
    Deleted,
    Present,
}

/// What to do about a write.
pub(super) enum Judgement {
    /// Nothing more: this is the answer.
    Done(Outcome),
    /// No message, but the version is to be noted.
    Remember,
    /// Send the last message once more.
    Again,
    /// Send it, under this version, or under the next one of our own.
    Send(Option<Told>),
}

impl Before {
    pub(super) async fn read(hook: &Hook, write: &Write) -> Result<Self, HookError> {
        if write.verb == Verb::Create && write.request.is_none() {
            // The id was made a moment ago.
            return Ok(Self { accepted: None, unsaved: None, state: State::Unknown, resource: None });
        }
        let accepted = hook.store().accepted(&write.patient).await?;
        let stored = accepted.as_ref().and_then(record::known);
        let unsaved = hook.unsaved().newer(&write.patient, stored);
        if (write.verb != Verb::Delete || unsaved.is_some())
            && let Some(record) = unsaved.as_ref().or(stored)
        {
            let state = if record.deleted { State::Deleted } else { State::Present };
            let wanted = hook.mapping().wants_previous() || write.verb == Verb::Delete;
            let resource = if wanted && state == State::Present {
                match hook.mapping().read(&write.patient, &record.body).map(|reading| reading.said) {
                    Ok(Said::Patient(resource)) => Some(resource),
                    Ok(Said::Deleted | Said::Nothing) | Err(_) => None,
                }
            } else {
                None
            };
            return Ok(Self { accepted, unsaved, state, resource });
        }
        let current = hook.store().current(&write.patient).await?;
        let (state, resource) =
            match record::decide(&hook.mapping(), &write.patient, accepted.clone(), current) {
                Ok(Record::Unknown) => (State::Unknown, None),
                Ok(Record::Deleted) => (State::Deleted, None),
                Ok(Record::Patient { resource, .. }) => (State::Present, Some(resource)),
                // There is something; a write replaces or deletes it without having read it.
                Err(HookError::Unreadable { reason, .. }) => {
                    tracing::error!(
                        error = reason,
                        "stored message cannot be read; the write goes on: {reason}"
                    );
                    (State::Present, None)
                }
                Err(error) => return Err(error),
            };
        Ok(Self { accepted, unsaved, state, resource })
    }

    pub(super) fn judge(&self, hook: &Hook, write: &Write) -> Result<Judgement, HookError> {
        if let Some(outcome) = self.repeated(hook, write)? {
            return Ok(Judgement::Done(outcome));
        }
        if write.only_if_new && self.is_present() {
            return Err(HookError::Exists { id: write.patient.id().to_owned() });
        }
        if write.verb == Verb::Delete {
            return self.judge_delete(write);
        }
        let told = self.check_match(write)?;
        let Some(told) = told else { return Ok(Judgement::Send(None)) };
        Ok(match self.standing(&told, write) {
            Standing::Newer => Judgement::Send(Some(told)),
            Standing::Uncounted => Judgement::Send(Some(Told { version_id: None, last_updated: None })),
            Standing::Equal if write.replay => Judgement::Again,
            Standing::Equal => Judgement::Done(self.answered(hook, write)?),
            Standing::Older => Judgement::Done(Outcome::Stale { given: told.shown(), current: self.shown() }),
        })
    }

    fn judge_delete(&self, write: &Write) -> Result<Judgement, HookError> {
        let told = write.told.as_ref();
        let order = told.and_then(|told| told.compare(&self.record()?.told));
        match self.state {
            // Noted, so that a late version of before is known to be late.
            State::Unknown if told.is_some() => Ok(Judgement::Remember),
            State::Unknown => Ok(Judgement::Done(Outcome::Deleted { sent: false })),
            State::Deleted if order == Some(Ordering::Greater) => Ok(Judgement::Remember),
            State::Deleted => Ok(Judgement::Done(Outcome::Deleted { sent: false })),
            State::Present => {
                let current = self.shown();
                if let Some(expected) = write.if_match.as_ref().filter(|expected| **expected != current) {
                    return Err(HookError::VersionConflict { expected: expected.clone(), current });
                }
                // The version that a delete names may be the one it deletes.
                Ok(match (order, told) {
                    (Some(Ordering::Less), Some(told)) => {
                        Judgement::Done(Outcome::Stale { given: told.shown(), current })
                    }
                    _ => Judgement::Send(told.cloned()),
                })
            }
        }
    }

    /// `If-Match` as editors and as notifying servers mean it: the version they have read, or the one they deliver
    /// (HAPI). Gives what is told of the version.
    fn check_match(&self, write: &Write) -> Result<Option<Told>, HookError> {
        let mut told = write.told.clone();
        let Some(expected) = &write.if_match else { return Ok(told) };
        let current = if self.is_present() { self.shown() } else { "none".to_owned() };
        if *expected == current {
            return Ok(told);
        }
        let conflict = || HookError::VersionConflict { expected: expected.clone(), current: current.clone() };
        let delivered = told.as_mut().ok_or_else(conflict)?;
        match &delivered.version_id {
            Some(version) if version == expected => Ok(told),
            Some(_) => Err(conflict()),
            None if self.state == State::Unknown => Err(conflict()),
            None => {
                delivered.version_id = Some(expected.clone());
                match self.standing(delivered, write) {
                    Standing::Newer | Standing::Equal => Ok(told),
                    Standing::Older | Standing::Uncounted => Err(conflict()),
                }
            }
        }
    }

    /// How a told version stands to what was sent before.
    fn standing(&self, told: &Told, write: &Write) -> Standing {
        let Some(record) = self.record() else { return Standing::Newer };
        let order = told.compare(&record.told);
        if record.deleted {
            return self.standing_after_delete(record, told, order);
        }
        let content = write.resource.as_ref().map(Given::content);
        let same = content.is_some() && content == record.content.as_deref();
        let by_content = if same { Standing::Equal } else { Standing::Newer };
        let Some(version) = &told.version_id else {
            return if order == Some(Ordering::Less) { Standing::Older } else { by_content };
        };
        // A client that edits what it has read here brings back the version it was shown.
        let shown_by_us = match &record.told.version_id {
            _ if record.counted && *version == self.shown() => true,
            None => told::decimal(version).is_some_and(|version| version <= record.version),
            Some(_) => order == Some(Ordering::Equal) && !same && record.content.is_some(),
        };
        if shown_by_us {
            return if same { Standing::Equal } else { Standing::Uncounted };
        }
        match order {
            Some(Ordering::Less) => Standing::Older,
            Some(Ordering::Equal) => Standing::Equal,
            Some(Ordering::Greater) | None => Standing::Newer,
        }
    }

    /// A deleted patient comes back with a version of after the delete only.
    fn standing_after_delete(
        &self,
        record: &AcceptedRecord,
        told: &Told,
        order: Option<Ordering>,
    ) -> Standing {
        match order {
            Some(Ordering::Less | Ordering::Equal) => Standing::Older,
            // The delete told no version of its own: its time is what is known of it.
            Some(Ordering::Greater) | None if record.counted => {
                let deleted = Stamp::from_order(&record.order);
                let before = |(told, deleted): (jiff::Timestamp, Stamp)| told <= deleted.instant();
                if told.last_updated.zip(deleted).is_some_and(before) {
                    Standing::Older
                } else {
                    Standing::Newer
                }
            }
            Some(Ordering::Greater) | None => Standing::Newer,
        }
    }

    /// The answer that this very request was given before, if it was the last one of the patient. A create names its
    /// patient after the request, so any state of it means a repeat.
    fn repeated(&self, hook: &Hook, write: &Write) -> Result<Option<Outcome>, HookError> {
        let Some(record) = self.record() else { return Ok(None) };
        let same = write.request.is_some() && record.request == write.request;
        if !(same || write.verb == Verb::Create) || record.deleted != (write.verb == Verb::Delete) {
            return Ok(None);
        }
        if record.deleted {
            return Ok(Some(Outcome::Deleted { sent: false }));
        }
        let new = write.verb == Verb::Create || record.version == 1;
        match self.answered(hook, write)? {
            Outcome::Written { resource, version, notes, repeated, .. } => {
                Ok(Some(Outcome::Written { resource, version, new, notes, repeated }))
            }
            Outcome::Deleted { .. } | Outcome::Stale { .. } => Ok(None),
        }
    }

    /// What was answered to the last write.
    fn answered(&self, hook: &Hook, write: &Write) -> Result<Outcome, HookError> {
        let deleted = Outcome::Deleted { sent: false };
        let (Some(record), Some(version)) = (self.record(), self.version()) else { return Ok(deleted) };
        match hook.mapping().read(&write.patient, &record.body)?.said {
            Said::Patient(resource) => Ok(Outcome::Written {
                resource: resource.into(),
                version,
                new: false,
                notes: Notes::default(),
                repeated: true,
            }),
            Said::Deleted | Said::Nothing => Ok(deleted),
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.state == State::Present
    }

    pub(super) fn record(&self) -> Option<&AcceptedRecord> {
        self.unsaved.as_ref().or_else(|| self.accepted.as_ref().and_then(record::known))
    }

    /// The version that a client is shown.
    pub(super) fn shown(&self) -> String {
        self.record().map_or_else(|| "none".to_owned(), record::shown)
    }

    pub(super) fn version(&self) -> Option<Version> {
        record::version(self.record()?)
    }

    /// The number of the next version: that of its server where it is decimal and goes on from ours.
    pub(super) fn next_number(&self, told: Option<&Told>) -> u64 {
        let next = self.record().map_or(1, |record| record.version.saturating_add(1));
        let told = told.and_then(|told| told::decimal(told.version_id.as_ref()?));
        told.map_or(next, |told| told.max(next))
    }

    pub(super) fn updated(&self) -> Option<Stamp> {
        self.record().and_then(|record| Stamp::from_order(&record.order))
    }
}

/// How a version stands to what was sent before.
enum Standing {
    Newer,
    /// Newer, but the version it names is not its own: the hook counts it.
    Uncounted,
    Equal,
    Older,
}
