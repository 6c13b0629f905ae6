//! The status entry: `Parameters` in R4, `SubscriptionStatus` in R4B and R5, with the same facts; Aidbox has a name of its
//! own for it.

use serde_json::{Map, Value};

use crate::{error::HookError, fhir::bundle::Entry};

/// What a subscription says of itself and of its events.
pub(crate) struct Status {
    /// Names the subscription, as its server does.
    pub(crate) subscription: String,
    pub(crate) kind: Kind,
    pub(crate) events: Vec<Event>,
}

/// What the notification is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Handshake,
    Heartbeat,
    Event,
    /// The answer to a query, or something this guide did not have.
    Other,
}

/// One event.
#[derive(Default)]
pub(crate) struct Event {
    pub(crate) number: Option<u64>,
    pub(crate) timestamp: String,
    pub(crate) focus: Option<String>,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Heartbeat => "heartbeat",
            Self::Event => "event-notification",
            Self::Other => "other",
        }
    }

    fn of(code: &str) -> Self {
        match code {
            "handshake" => Self::Handshake,
            "heartbeat" => Self::Heartbeat,
            "event-notification" => Self::Event,
            _ => Self::Other,
        }
    }
}

impl Status {
    /// Reads the first entry. `None` where it is no status; the error of one that cannot be read.
    pub(crate) fn read(entry: &Entry<'_>) -> Option<Result<Self, HookError>> {
        let resource = entry.resource?;
        match resource.get("resourceType")?.as_str()? {
            "SubscriptionStatus" | "AidboxSubscriptionStatus" => Some(Self::of_status(resource)),
            "Parameters" => {
                let facts = Facts::of(resource.get("parameter"));
                facts.first("subscription").is_some().then(|| Self::of_parameters(&facts))
            }
            _ => None,
        }
    }

    fn of_status(resource: &Map<String, Value>) -> Result<Self, HookError> {
        let kind = resource.get("type").and_then(Value::as_str).ok_or(UNTYPED)?;
        let events = resource.get("notificationEvent").and_then(Value::as_array);
        let event = |event: &Value| Event {
            number: event.get("eventNumber").and_then(number),
            timestamp: event.get("timestamp").and_then(Value::as_str).unwrap_or_default().to_owned(),
            focus: event.pointer("/focus/reference").and_then(Value::as_str).map(str::to_owned),
        };
        let subscription =
            ["subscription", "topic-destination"].into_iter().find_map(|name| resource.get(name));
        Ok(Self {
            subscription: reference(subscription),
            kind: Kind::of(kind),
            events: events.into_iter().flatten().map(event).collect(),
        })
    }

    fn of_parameters(facts: &Facts<'_>) -> Result<Self, HookError> {
        let kind = facts.first("type").and_then(|fact| fact.get("valueCode")?.as_str()).ok_or(UNTYPED)?;
        let event = |fact: &Map<String, Value>| {
            let facts = Facts::of(fact.get("part"));
            let value = |name: &str, value: &str| facts.first(name)?.get(value);
            let number = ["valueString", "valueInteger64", "valueInteger", "valueUnsignedInt"]
                .into_iter()
                .find_map(|kind| value("event-number", kind).and_then(number));
            let focus = value("focus", "valueReference").map(|focus| reference(Some(focus)));
            Event {
                number,
                timestamp: value("timestamp", "valueInstant")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                focus: focus.filter(|focus| !focus.is_empty()),
            }
        };
        Ok(Self {
            subscription: reference(facts.first("subscription").and_then(|fact| fact.get("valueReference"))),
            kind: Kind::of(kind),
            events: facts.all("notification-event").map(event).collect(),
        })
    }

    /// What the events are about.
    pub(crate) fn focuses(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| event.focus.as_deref())
    }
}

/// `parameter` or `part`, by name.
struct Facts<'p>(Vec<&'p Map<String, Value>>);

impl<'p> Facts<'p> {
    fn of(list: Option<&'p Value>) -> Self {
        let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self(list.iter().filter_map(Value::as_object).collect())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'p Map<String, Value>> {
        let named = |fact: &&&Map<String, Value>| fact.get("name").and_then(Value::as_str) == Some(name);
        self.0.iter().filter(named).copied().collect::<Vec<_>>().into_iter()
    }

    fn first(&self, name: &str) -> Option<&'p Map<String, Value>> {
        self.all(name).next()
    }
}

fn reference(value: Option<&Value>) -> String {
    value.and_then(|value| value.get("reference")?.as_str()).unwrap_or_default().to_owned()
}

/// R5 writes a 64-bit integer as a string, R4 as it likes.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

const UNTYPED: HookError = HookError::Bundle { reason: "The status of the subscription has no type." };
