//! A write, from what is known of the patient to the durable message and its record.
//!
//! Order of the steps: decide, convert, read the message back, queue, remember. Nothing is stored before the queue has
//! the message, so a refused write can be sent again; nothing after it can turn the answer into an error.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use fhir_adt::Interaction;
use message_store::{Accepted, AcceptedRecord, PatientKey, Precondition, StoreError};
use queue::{Attributes, DeduplicationId, Envelope, Sent};
use serde_json::{Map, Value, json};

use crate::{
    error::HookError,
    hook::Hook,
    mapping::{Facts, Message, Said},
    record::{self, Record, Version},
    stamp::Stamp,
};

/// What the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

/// A write that was asked for.
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) patient: PatientKey,
    /// `None` for a delete.
    pub(crate) resource: Option<Map<String, Value>>,
    /// Stands for the client's name of the request together with its content.
    pub(crate) request: Option<String>,
    pub(crate) traceparent: String,
    pub(crate) if_match: Option<String>,
    pub(crate) only_if_new: bool,
}

/// What was done.
pub(crate) enum Outcome {
    Written { resource: Value, version: Version, new: bool },
    Deleted,
}

/// Performs the write. One patient's writes follow each other in the order they get here.
pub(crate) async fn perform(hook: Arc<Hook>, request: Request) -> Result<Outcome, HookError> {
    let _turn = hook.locks().lock(&request.patient).await;
    let before = Before::read(&hook, &request).await?;
    if let Some(outcome) = before.repeated(&hook, &request)? {
        return Ok(outcome);
    }
    before.check_conditions(&request)?;
    match (request.verb, &before.state) {
        (Verb::Delete, State::Unknown) => {
            return Err(HookError::NotFound { id: request.patient.id().to_owned() });
        }
        (Verb::Delete, State::Deleted) => return Ok(Outcome::Deleted),
        _ => {}
    }

    let version = Version { number: before.next_version(), updated: Stamp::now().after(before.updated()) };
    let write = Write::convert(&hook, &request, &before, version).await?;
    write.queue(&hook, &request).await?;
    let new = before.state != State::Present;
    let outcome = write.outcome(request.verb, new);
    write.remember(&hook, &request, before.accepted).await;
    Ok(outcome)
}

/// What is known of the patient before the write.
struct Before {
    accepted: Option<Accepted>,
    state: State,
    /// The patient as it is, where a delete or a link needs it.
    resource: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Deleted,
    Present,
}

impl Before {
    async fn read(hook: &Hook, request: &Request) -> Result<Self, HookError> {
        if request.verb == Verb::Create && request.request.is_none() {
            // The id was made a moment ago.
            return Ok(Self { accepted: None, state: State::Unknown, resource: None });
        }
        let accepted = hook.store().accepted(&request.patient).await?;
        if request.verb != Verb::Delete
            && let Some(there) = &accepted
        {
            let state = if there.record.deleted { State::Deleted } else { State::Present };
            let resource = if hook.mapping().wants_previous() && state == State::Present {
                match hook.mapping().read(&request.patient, &there.record.body).map(|reading| reading.said) {
                    Ok(Said::Patient(resource)) => Some(resource),
                    Ok(Said::Deleted | Said::Nothing) | Err(_) => None,
                }
            } else {
                None
            };
            return Ok(Self { accepted, state, resource });
        }
        let current = hook.store().current(&request.patient).await?;
        let (state, resource) =
            match record::decide(hook.mapping(), &request.patient, accepted.clone(), current) {
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
        Ok(Self { accepted, state, resource })
    }

    /// The answer that this very request was given before, if it was the last one of the patient. A create names its
    /// patient after the request, so any state of it means a repeat.
    fn repeated(&self, hook: &Hook, request: &Request) -> Result<Option<Outcome>, HookError> {
        let Some(Accepted { record, .. }) = &self.accepted else { return Ok(None) };
        let same = request.request.is_some() && record.request == request.request;
        if !(same || request.verb == Verb::Create) || record.deleted != (request.verb == Verb::Delete) {
            return Ok(None);
        }
        if record.deleted {
            return Ok(Some(Outcome::Deleted));
        }
        let said = hook.mapping().read(&request.patient, &record.body)?.said;
        let (Said::Patient(resource), Some(updated)) = (said, self.updated()) else { return Ok(None) };
        let new = request.verb == Verb::Create || record.version == 1;
        Ok(Some(Outcome::Written { resource, version: Version { number: record.version, updated }, new }))
    }

    fn check_conditions(&self, request: &Request) -> Result<(), HookError> {
        if request.only_if_new && self.state == State::Present {
            return Err(HookError::Exists { id: request.patient.id().to_owned() });
        }
        let Some(expected) = &request.if_match else { return Ok(()) };
        let there = self.accepted.as_ref().filter(|_| self.state == State::Present);
        let current = there.map_or_else(|| "none".to_owned(), |there| there.record.version.to_string());
        if *expected == current {
            Ok(())
        } else {
            Err(HookError::VersionConflict { expected: expected.clone(), current })
        }
    }

    fn next_version(&self) -> u64 {
        self.accepted.as_ref().map_or(1, |there| there.record.version.saturating_add(1))
    }

    fn updated(&self) -> Option<Stamp> {
        self.accepted.as_ref().and_then(|there| Stamp::from_order(&there.record.order))
    }
}

/// The messages of a write and what the first of them says, read back.
struct Write {
    messages: Vec<Message>,
    understood: Understood,
    version: Version,
    /// Tells this write from every other one.
    request_id: String,
}

/// What a read will show.
enum Understood {
    Patient(Value),
    Deleted,
    /// What it showed before: no message was sent, or one that says nothing of this patient's state. Holds what was
    /// given.
    Unchanged(Value),
}

impl Write {
    async fn convert(
        hook: &Hook,
        request: &Request,
        before: &Before,
        version: Version,
    ) -> Result<Self, HookError> {
        let request_id = request.request.clone().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let resource = request.resource.clone().map(Value::Object).or_else(|| before.resource.clone());
        let linked = match &resource {
            Some(resource) => linked(hook, resource).await?,
            None => HashMap::new(),
        };
        let facts = Facts {
            patient: &request.patient,
            stamp: version.updated,
            request_id: &request_id,
            linked: &linked,
            previous: before.resource.as_ref(),
        };
        let interaction = match (request.verb, before.state) {
            (Verb::Delete, _) => Interaction::Delete,
            (Verb::Create | Verb::Update, State::Present) => Interaction::Update,
            (Verb::Create | Verb::Update, State::Unknown | State::Deleted) => Interaction::Create,
        };
        let (messages, given) = match resource {
            Some(mut resource) => {
                stamp(&mut resource, &request.patient, version.updated);
                (hook.mapping().convert(&resource, interaction, &facts)?, resource)
            }
            None => (hook.mapping().delete(&facts)?, Value::Null),
        };
        let said = match messages.first() {
            Some(message) => hook.mapping().read(&request.patient, message.er7.as_bytes())?.said,
            None if interaction == Interaction::Delete => Said::Deleted,
            None => Said::Nothing,
        };
        let understood = match said {
            Said::Patient(resource) => Understood::Patient(resource),
            Said::Deleted => Understood::Deleted,
            Said::Nothing => Understood::Unchanged(given),
        };
        Ok(Self { messages, understood, version, request_id })
    }

    /// Puts the messages into the queue. All are looked at before the first is sent; when a later one is not taken, the
    /// client repeats the write and the receiver sees the first one twice, as two versions.
    async fn queue(&self, hook: &Hook, request: &Request) -> Result<(), HookError> {
        let envelopes: Vec<_> =
            self.messages.iter().map(|message| self.envelope(hook, request, message)).collect();
        for envelope in &envelopes {
            envelope.validate(hook.queue().max_body_bytes())?;
        }
        for envelope in envelopes {
            let Attributes { control_id, event, .. } = envelope.attributes.clone();
            let size_bytes = envelope.body.len();
            let sent = hook.queue().send(envelope).await?;
            let repeated = matches!(sent, Sent::Duplicate { .. });
            tracing::info!(
                hl7.control_id = control_id,
                hl7.trigger_event = event,
                size_bytes,
                repeated,
                "queued {event}"
            );
        }
        Ok(())
    }

    fn envelope(&self, hook: &Hook, request: &Request, message: &Message) -> Envelope {
        let number = self.version.number.to_string();
        // A client's repeat has the same version and request; another write has another request. The content is in
        // the request's name, never alone.
        let identity = [SOURCE, request.patient.id(), &number, &self.request_id, &message.event];
        Envelope {
            body: message.er7.clone(),
            group: hook.group(&request.patient),
            deduplication_id: DeduplicationId::digest(&identity),
            attributes: Attributes {
                control_id: message.control_id.clone(),
                event: message.event.clone(),
                version: Some(self.version.number),
                enqueued_at: Stamp::now().to_string(),
                traceparent: Some(request.traceparent.clone()),
            },
        }
    }

    fn outcome(&self, verb: Verb, new: bool) -> Outcome {
        let resource = match (&self.understood, verb) {
            (_, Verb::Delete) => return Outcome::Deleted,
            (Understood::Patient(resource) | Understood::Unchanged(resource), _) => resource.clone(),
            // The mapping turned the write into a delete, as configured for inactive patients.
            (Understood::Deleted, _) => json!({ "resourceType": "Patient", "active": false }),
        };
        Outcome::Written { resource, version: self.version, new }
    }

    /// Keeps the message as the patient's last accepted one. The write is accepted already: a failure here is logged,
    /// and a read may then miss the write until it is delivered.
    async fn remember(&self, hook: &Hook, request: &Request, before: Option<Accepted>) {
        let deleted = match self.understood {
            Understood::Patient(_) => false,
            Understood::Deleted => true,
            Understood::Unchanged(_) => return,
        };
        let Ok(order) = self.version.updated.order() else { return };
        let first = self.messages.first();
        let mut record = AcceptedRecord {
            body: first.map_or_else(Bytes::new, |message| message.er7.clone().into()),
            deleted,
            version: self.version.number,
            order,
            control_id: first.map_or_else(String::new, |message| message.control_id.clone()),
            request: request.request.clone(),
        };
        let mut seen = before;
        for _ in 0..ROUNDS {
            let precondition = seen.map_or(Precondition::Absent, |seen| Precondition::Matches(seen.tag));
            let error = match hook.store().put_accepted(&request.patient, record.clone(), precondition).await
            {
                Ok(_) => return,
                Err(StoreError::Changed) => match hook.store().accepted(&request.patient).await {
                    // Another instance was quicker and later: its message is the one to show.
                    Ok(Some(there)) if there.record.order >= record.order => return,
                    Ok(there) => {
                        let version = there.as_ref().map_or(0, |there| there.record.version);
                        record.version = record.version.max(version.saturating_add(1));
                        seen = there;
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            return tracing::error!(
                hl7.control_id = record.control_id,
                %error,
                "accepted, but not remembered: {error}"
            );
        }
        tracing::error!(
            hl7.control_id = record.control_id,
            "accepted, but not remembered: others kept writing"
        );
    }
}

/// The server's part of the resource: its id, and when it was written. A `versionId` in the body is the one the client
/// has read, not that of this write, and would give two writes one control id.
fn stamp(resource: &mut Value, patient: &PatientKey, updated: Stamp) {
    resource["id"] = json!(patient.id());
    let meta = &mut resource["meta"];
    if meta.is_null() {
        *meta = json!({});
    }
    if let Some(members) = meta.as_object_mut() {
        members.remove("versionId");
        members.insert("lastUpdated".to_owned(), json!(updated.to_string()));
    }
}

/// The patients that `link` names, as far as they are known here.
async fn linked(hook: &Hook, resource: &Value) -> Result<HashMap<String, Value>, HookError> {
    let links = resource.get("link").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let references = links.iter().filter_map(|link| link.pointer("/other/reference")?.as_str());
    let mut found = HashMap::new();
    for id in references.filter_map(|reference| reference.strip_prefix("Patient/")).take(MOST_LINKS) {
        let Ok(key) = PatientKey::new(id) else { continue };
        if let Record::Patient { resource, .. } = record::read(hook.store(), hook.mapping(), &key).await? {
            found.insert(id.to_owned(), resource);
        }
    }
    Ok(found)
}

pub(crate) const SOURCE: &str = "persistence/Patient";
const ROUNDS: usize = 8;
const MOST_LINKS: usize = 16;
