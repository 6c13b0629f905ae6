//! Messages of SQS and ours: the body as it is, everything else in message attributes.

use std::collections::HashMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName as System};

use crate::{
    Attributes, DeadLetter, DeadLetterRecord, DeadLetterSummary, DeduplicationId, Delivery, Envelope,
    GroupId, QueueError, Reason, Receipt,
};

/// A message as it comes; one that other software sent may lack our attributes.
pub(super) fn delivery(message: Message) -> Result<Delivery, QueueError> {
    let missing =
        |what: &str| QueueError::Unavailable { reason: format!("SQS sent a message without {what}") };
    let body = message.body.ok_or_else(|| missing("body"))?;
    let receipt = message.receipt_handle.ok_or_else(|| missing("receipt handle"))?;
    let system = message.attributes.unwrap_or_default();
    let system = |name| system.get(&name).map(String::as_str).unwrap_or_default();
    let group = system(System::MessageGroupId);
    let id = system(System::MessageDeduplicationId);
    let own = message.message_attributes.unwrap_or_default();
    let own = |name: &str| own.get(name).and_then(|value| value.string_value.clone());
    let attributes = Attributes {
        control_id: own(CONTROL_ID).unwrap_or_else(|| header_field(&body, 9)),
        event: own(EVENT).unwrap_or_default(),
        version: own(VERSION).and_then(|version| version.parse().ok()),
        enqueued_at: own(ENQUEUED_AT).unwrap_or_default(),
        traceparent: own(TRACEPARENT),
    };
    Ok(Delivery {
        // Ids of other software may hold characters ours do not; hashed they still tell groups apart.
        envelope: Envelope {
            body,
            group: GroupId::new(group).unwrap_or_else(|_| GroupId::digest(&[group])),
            deduplication_id: DeduplicationId::new(id).unwrap_or_else(|_| DeduplicationId::digest(&[id])),
            attributes,
        },
        receipt: Receipt::new(receipt),
        receive_count: system(System::ApproximateReceiveCount).parse().unwrap_or(1),
        sequence: system(System::SequenceNumber).to_owned(),
    })
}

/// A field of the first segment by its distance from MSH, such as 9 for MSH-10.
pub(super) fn header_field(body: &str, place: usize) -> String {
    let header = body.split('\r').next().unwrap_or_default();
    let separator = header.chars().nth(3).unwrap_or('|');
    header.split(separator).nth(place).unwrap_or_default().to_owned()
}

pub(super) fn to_attributes(
    facts: &Attributes,
    letter: Option<&DeadLetter>,
) -> HashMap<String, MessageAttributeValue> {
    let version = facts.version.map(|version| version.to_string());
    let attempts = letter.map(|letter| letter.attempts.to_string());
    let values = [
        (CONTROL_ID, "String", Some(facts.control_id.as_str())),
        (EVENT, "String", Some(facts.event.as_str())),
        (VERSION, "Number", version.as_deref()),
        (ENQUEUED_AT, "String", Some(facts.enqueued_at.as_str())),
        (TRACEPARENT, "String", facts.traceparent.as_deref()),
        (REASON, "String", letter.map(|letter| letter.reason.as_str())),
        (ACK_CODE, "String", letter.and_then(|letter| letter.ack_code.as_deref())),
        (ERROR_CODE, "String", letter.and_then(|letter| letter.error_code.as_deref())),
        (ATTEMPTS, "Number", attempts.as_deref()),
    ];
    let mut attributes = HashMap::new();
    for (name, kind, value) in values {
        // SQS refuses empty values.
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        let value = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
        if let Ok(value) = value {
            attributes.insert(name.to_owned(), value);
        }
    }
    attributes
}

/// Where a dead letter comes from: it stands in a group of its own, or more than ten of one group could not be
/// looked at together.
pub(super) fn origin(delivery: &Delivery) -> Option<(String, MessageAttributeValue)> {
    let value = format!("{} {}", delivery.envelope.group.as_str(), delivery.sequence);
    let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    value.ok().map(|value| (ORIGIN.to_owned(), value))
}

/// What stands in the dead-letter queue.
pub(super) enum Found {
    Letter(Box<Letter>),
    /// Says that a group is parked; written by [`marker`].
    Marker {
        group: GroupId,
        receipt: Receipt,
    },
}

/// A dead letter on lease.
pub(super) struct Letter {
    pub(super) record: DeadLetterRecord,
    pub(super) delivery: Delivery,
    /// Its place in the queue it comes from.
    place: String,
}

impl Letter {
    /// Orders the letters of a group as they were given up.
    pub(super) fn turn(&self) -> (u64, &str) {
        (self.record.summary.dead_since_ms, &self.place)
    }
}

impl Found {
    pub(super) fn receipt(&self) -> &Receipt {
        match self {
            Self::Letter(letter) => &letter.delivery.receipt,
            Self::Marker { receipt, .. } => receipt,
        }
    }
}

/// Reads a message of the dead-letter queue. One without a reason was moved there by the redrive policy of SQS.
pub(super) fn found(message: Message) -> Result<Found, QueueError> {
    let own = message.message_attributes.clone().unwrap_or_default();
    let own = |name: &str| own.get(name).and_then(|value| value.string_value.clone());
    if let (Some(group), Some(receipt)) = (own(PARKED), &message.receipt_handle) {
        return Ok(Found::Marker { group: GroupId::new(group)?, receipt: Receipt::new(receipt) });
    }
    let id = message.message_id.clone().unwrap_or_default();
    let sent = message.attributes.as_ref().and_then(|system| system.get(&System::SentTimestamp));
    let dead_since_ms = sent.and_then(|sent| sent.parse().ok()).unwrap_or_default();
    let letter = DeadLetter {
        reason: own(REASON).and_then(|reason| reason.parse().ok()).unwrap_or(Reason::ReceiveLimit),
        ack_code: own(ACK_CODE),
        error_code: own(ERROR_CODE),
        attempts: own(ATTEMPTS).and_then(|attempts| attempts.parse().ok()).unwrap_or_default(),
        text: None,
    };
    let mut delivery = delivery(message)?;
    // What the redrive policy of SQS moved here kept its group.
    let origin = own(ORIGIN).and_then(|text| {
        let (group, place) = text.split_once(' ')?;
        Some((GroupId::new(group).ok()?, place.to_owned()))
    });
    let (group, place) =
        origin.unwrap_or_else(|| (delivery.envelope.group.clone(), delivery.sequence.clone()));
    delivery.envelope.group = group;
    let summary = DeadLetterSummary {
        id: crate::DeadLetterId::new(id),
        group: delivery.envelope.group.clone(),
        attributes: delivery.envelope.attributes.clone(),
        reason: letter.reason,
        ack_code: letter.ack_code.clone(),
        error_code: letter.error_code.clone(),
        dead_since_ms,
        superseded: false,
    };
    let record = DeadLetterRecord { summary, envelope: delivery.envelope.clone(), letter };
    Ok(Found::Letter(Box::new(Letter { record, delivery, place })))
}

/// The message that says that a group is parked. It is no HL7: should someone move it to the queue, the sender
/// refuses to send it.
pub(super) fn marker(
    group: &GroupId,
    deduplication_id: DeduplicationId,
) -> (Envelope, HashMap<String, MessageAttributeValue>) {
    let envelope = Envelope {
        body: "this group is parked".to_owned(),
        // A group of its own: dead letters on lease would hide it, and a tenth dead letter before it.
        group: GroupId::digest(&["parked", group.as_str()]),
        deduplication_id,
        attributes: Attributes::default(),
    };
    let value = MessageAttributeValue::builder().data_type("String").string_value(group.as_str()).build();
    let attributes = value.into_iter().map(|value| (PARKED.to_owned(), value)).collect();
    (envelope, attributes)
}

pub(super) const CONTROL_ID: &str = "control_id";
pub(super) const EVENT: &str = "event";
pub(super) const VERSION: &str = "version";
pub(super) const ENQUEUED_AT: &str = "enqueued_at";
pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const REASON: &str = "reason";
pub(super) const ACK_CODE: &str = "ack_code";
pub(super) const ERROR_CODE: &str = "error_code";
pub(super) const ATTEMPTS: &str = "attempts";
const ORIGIN: &str = "origin";
const PARKED: &str = "parked_group";
