//! The messages of a write, made and queued.

use std::collections::HashMap;

use fhir_adt::Interaction;
use message_store::PatientKey;
use queue::{Attributes, DeduplicationId, Envelope, Sent};
use serde_json::{Value, json};
use service::traces::{Kind, Span};
use sha2::{Digest, Sha256};

use super::{
    Origin, SOURCE, Verb, Write,
    before::{Before, State},
    unique, updated,
};
use crate::{
    answer::Shown,
    error::HookError,
    given::Given,
    hook::Hook,
    mapping::{Converted, Facts, Message, Notes, Said},
    record::{self, Record, Version},
    stamp::Stamp,
    told::Told,
};

/// The messages of a write and what the first of them says, read back.
pub(super) struct Composed {
    pub(super) messages: Vec<Message>,
    pub(super) understood: Understood,
    pub(super) version: Version,
    pub(super) notes: Notes,
    /// Whether this is the last message once more.
    pub(super) again: bool,
    /// Tells this write from every other one.
    identity: String,
}

/// What a read will show.
pub(super) enum Understood {
    Patient(Shown),
    Deleted,
    /// What it showed before: no message was sent, or one that says nothing of this patient's state. Holds what was
    /// given.
    Unchanged(Value),
}

impl Composed {
    pub(super) async fn convert(
        hook: &Hook,
        write: &Write,
        before: &Before,
        told: Option<&Told>,
    ) -> Result<Self, HookError> {
        let number = before.next_number(told);
        let version = Version {
            number,
            id: told.and_then(|told| told.version_id.clone()).unwrap_or_else(|| number.to_string()),
            updated: updated(hook, told, before.updated()),
        };
        let event = Event::of(write, told, number);
        let mut facts = Facts {
            patient: &write.patient,
            stamp: version.updated,
            request_id: &event.identity,
            linked: HashMap::new(),
            previous: before.resource.as_ref(),
            history: write.origin == Origin::Backfill,
        };
        let interaction = match (write.verb, before.state, write.origin) {
            (Verb::Delete, ..) => Interaction::Delete,
            (Verb::Create | Verb::Update, State::Present, _) | (_, _, Origin::Backfill) => {
                Interaction::Update
            }
            (Verb::Create | Verb::Update, State::Unknown | State::Deleted, Origin::Live) => {
                Interaction::Create
            }
        };
        // One mapping for all of it: another may be in use a moment later.
        let mapping = hook.mapping();
        if let Some(given) = &write.resource
            && let Some((converted, shown)) = mapping.convert_ordinary(
                &given.json(),
                interaction,
                &facts,
                event.key.as_deref(),
                &version.id,
            )
        {
            let Converted { messages, notes } = converted;
            let understood = Understood::Patient(Shown::Text(shown));
            return Ok(Self { messages, understood, version, notes, again: false, identity: event.identity });
        }
        let resource = match &write.resource {
            Some(given) => Some(given.value()?),
            None => before.resource.clone(),
        };
        if let Some(resource) = &resource {
            facts.linked = linked(hook, resource).await?;
        }
        let (converted, given) = match resource {
            Some(mut resource) => {
                stamp(&mut resource, &write.patient, version.updated, event.key.as_deref());
                (mapping.convert(&resource, interaction, &facts, write.lenient)?, resource)
            }
            None => (mapping.delete(&facts)?, Value::Null),
        };
        let Converted { messages, notes } = converted;
        let said = match messages.first() {
            Some(message) => mapping.read(&write.patient, message.er7.as_bytes())?.said,
            None if interaction == Interaction::Delete => Said::Deleted,
            None => Said::Nothing,
        };
        let understood = match said {
            Said::Patient(resource) => Understood::Patient(resource.into()),
            Said::Deleted => Understood::Deleted,
            Said::Nothing => Understood::Unchanged(given),
        };
        Ok(Self { messages, understood, version, notes, again: false, identity: event.identity })
    }

    /// A delete that sends nothing: the patient is not known, or deleted already.
    pub(super) fn nothing(hook: &Hook, write: &Write, before: &Before) -> Self {
        let told = write.told.as_ref();
        let number = before.next_number(told);
        let updated = updated(hook, told, before.updated());
        Self {
            messages: Vec::new(),
            understood: Understood::Deleted,
            version: Version { number, id: number.to_string(), updated },
            notes: Notes::default(),
            again: false,
            identity: String::new(),
        }
    }

    /// The last message of the patient, byte for byte.
    pub(super) fn again(hook: &Hook, write: &Write, before: &Before) -> Result<Self, HookError> {
        let unreadable = |reason: &str| HookError::Unreadable {
            id: write.patient.id().to_owned(),
            reason: reason.to_owned(),
        };
        let (record, version) = before.record().zip(before.version()).ok_or_else(|| unreadable("nothing"))?;
        let read = hook.mapping().read(&write.patient, &record.body)?;
        let er7 = String::from_utf8(record.body.to_vec()).map_err(|_| unreadable("not UTF-8"))?;
        let control_id = record.control_id.clone();
        let message = Message { control_id, event: format!("ADT^{}", read.event), er7 };
        let understood = match read.said {
            Said::Patient(resource) => Understood::Patient(resource.into()),
            Said::Deleted => Understood::Deleted,
            Said::Nothing => Understood::Unchanged(Value::Null),
        };
        // The queue would take it for a repeat.
        let identity = unique();
        Ok(Self {
            messages: vec![message],
            understood,
            version,
            notes: Notes::default(),
            again: true,
            identity,
        })
    }

    /// Puts the messages into the queue. All are looked at before the first is sent; when a later one is not taken, the
    /// client repeats the write and the receiver sees the first one twice, as two versions.
    pub(super) async fn queue(envelopes: Vec<Envelope>, hook: &Hook, write: &Write) -> Result<(), HookError> {
        for envelope in envelopes {
            #[cfg(feature = "planted-leaks")]
            let envelope = {
                let mut envelope = envelope;
                crate::planted::leak(hook, &mut envelope).await?;
                envelope
            };
            let (envelope, mut span) = traced(envelope, write);
            let Attributes { control_id, event, .. } = &envelope.attributes;
            let (control_id, event) = (control_id.clone(), event.clone());
            let size_bytes = envelope.body.len();
            let sent = hook.queue().send(envelope).await.inspect_err(|_| span.fail("not_queued"))?;
            drop(span);
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

    /// What the queue is given, as far as it can be told that it would take it.
    pub(super) fn envelopes(&self, hook: &Hook, write: &Write) -> Result<Vec<Envelope>, HookError> {
        let limit = hook.queue().max_body_bytes();
        let envelope = |message| {
            let envelope = self.envelope(hook, write, message);
            envelope.validate(limit).map(|()| envelope)
        };
        Ok(self.messages.iter().map(envelope).collect::<Result<_, _>>()?)
    }

    fn envelope(&self, hook: &Hook, write: &Write, message: &Message) -> Envelope {
        let number = self.version.number.to_string();
        // A repeat has the same version and identity; another write has another identity.
        let identity = [SOURCE, write.patient.id(), &number, &self.identity, &message.event];
        Envelope {
            body: message.er7.clone(),
            group: hook.group(&write.patient),
            deduplication_id: DeduplicationId::digest(&identity),
            attributes: Attributes {
                control_id: message.control_id.clone(),
                event: message.event.clone(),
                version: Some(self.version.number),
                enqueued_at: Stamp::now(hook.clock()).to_string(),
                traceparent: Some(write.traceparent.clone()),
            },
        }
    }
}

/// The key of an event: source, type, id and version; or, without a version, content and place in the order of writes.
struct Event {
    /// Tells the write from every other one of the patient.
    identity: String,
    /// The version part of the message control id, as far as the sender gives it.
    key: Option<String>,
}

impl Event {
    fn of(write: &Write, told: Option<&Told>, number: u64) -> Self {
        let hash = |parts: &[&str]| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update(part);
                hash.update([0]);
            }
            data_encoding::HEXLOWER.encode(&hash.finalize())
        };
        match told {
            // Every write is one of its own, unless its client names it.
            None => Self { identity: write.request.clone().unwrap_or_else(unique), key: None },
            Some(Told { version_id: Some(version), .. }) => {
                let key = if PatientKey::new(version).is_ok() { version.clone() } else { hash(&[version]) };
                Self { identity: key.clone(), key: Some(key) }
            }
            Some(Told { version_id: None, .. }) => {
                let content = write.resource.as_ref().map(Given::content).unwrap_or_default();
                let key = hash(&[content, &number.to_string()]);
                Self { identity: key.clone(), key: Some(key) }
            }
        }
    }
}

/// The server's part of the resource: its id, and when it was written. A `versionId` in the body stands for the write
/// only where the sender made it; a client that has read one and writes again would give two writes one control id.
fn stamp(resource: &mut Value, patient: &PatientKey, updated: Stamp, key: Option<&str>) {
    resource["id"] = json!(patient.id());
    let meta = &mut resource["meta"];
    if meta.is_null() {
        *meta = json!({});
    }
    if let Some(members) = meta.as_object_mut() {
        members.remove("versionId");
        if let Some(key) = key {
            members.insert("versionId".to_owned(), json!(key));
        }
        members.insert("lastUpdated".to_owned(), json!(updated.to_string()));
    }
}

/// The span of a message that is queued, below the request's; the message carries it on.
fn traced(mut envelope: Envelope, write: &Write) -> (Envelope, Span) {
    let mut span = Span::begin(Kind::Producer, "send adt", Some(&write.traceparent));
    if let Some(traceparent) = span.traceparent() {
        envelope.attributes.traceparent = Some(traceparent);
    }
    if !span.is_recording() {
        return (envelope, span);
    }
    span.set("messaging.system", "adt-bridge");
    span.set("messaging.destination.name", "adt");
    span.set("messaging.operation.name", "send");
    span.set("messaging.operation.type", "send");
    span.set("messaging.message.id", envelope.attributes.control_id.clone());
    span.set("messaging.message.body.size", envelope.body.len());
    span.set("hl7.trigger_event", envelope.attributes.event.clone());
    (envelope, span)
}

/// The patients that `link` names, as far as they are known here.
async fn linked(hook: &Hook, resource: &Value) -> Result<HashMap<String, Value>, HookError> {
    let links = resource.get("link").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let references = links.iter().filter_map(|link| link.pointer("/other/reference")?.as_str());
    let mut found = HashMap::new();
    for id in references.filter_map(|reference| reference.strip_prefix("Patient/")).take(MOST_LINKS) {
        let Ok(key) = PatientKey::new(id) else { continue };
        if let Record::Patient { resource, .. } = record::read(hook.store(), &hook.mapping(), &key).await? {
            found.insert(id.to_owned(), resource);
        }
    }
    Ok(found)
}

const MOST_LINKS: usize = 16;
