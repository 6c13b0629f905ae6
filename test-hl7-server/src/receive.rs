//! A frame comes in, is stored, and is answered.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hl7v2::{Header, Location, ParseError, Text};
use inspector::{Arrival, Feed};
use jiff::Timestamp;
use message_store::{Incoming, MessageStore, NewCurrent, PatientKey, ReceivedKey, Stored};
use mllp::codec::CodecError;
use mllp::server::Count;
use mllp::{Frame, Handler, Peer, Reply};
use service::traces::{Kind, Span};
use tokio::time::{Instant, timeout_at};

use crate::acknowledge::{Outcome, acknowledge};
use crate::config::Config;
use crate::control_id::ControlIds;
use crate::error::Refusal;
use crate::metrics::Metrics;
use crate::{batch, order, patient};

/// Receives for all connections of all listeners.
#[derive(Debug)]
pub(crate) struct Receiver {
    store: Arc<dyn MessageStore>,
    message_types: Vec<String>,
    patient_id_type: String,
    require_patient_id: bool,
    store_timeout: Duration,
    control_ids: ControlIds,
    metrics: Metrics,
    /// Whoever wants to see what came.
    feed: Option<Feed>,
}

/// What a message turned out to be.
pub(crate) struct Read {
    /// As far as it can be read.
    pub(crate) header: Option<Header>,
    /// What to store, or what has become of it already.
    pub(crate) plan: Result<Plan, Outcome>,
}

/// What is to be stored for one message.
pub(crate) struct Plan {
    incoming: Incoming,
    /// Whom the message is about.
    pub(crate) patients: Vec<PatientKey>,
    complaint: Option<Refusal>,
}

impl Receiver {
    pub(crate) fn new(store: Arc<dyn MessageStore>, config: &Config, feed: Option<Feed>) -> Self {
        Self {
            store,
            message_types: config.message_types.clone(),
            patient_id_type: config.patient_id_type.clone(),
            require_patient_id: config.require_patient_id,
            store_timeout: config.store_timeout,
            control_ids: ControlIds::new(),
            metrics: Metrics::new(),
            feed,
        }
    }

    /// Tells the inspector of a message, its end and its answers; `fault` is what was done to it on purpose.
    pub(crate) fn tell(
        &self,
        peer: &Peer,
        body: &Bytes,
        outcome: Option<&Outcome>,
        replies: &[Vec<u8>],
        fault: Option<String>,
    ) {
        let Some(feed) = &self.feed else { return };
        let outcome = match outcome {
            None => "dropped",
            // Another message has this name already.
            Some(Outcome::Refused(Refusal::ControlIdReused)) => "conflict",
            Some(outcome) => outcome.as_str(),
        };
        feed.arrived(Arrival { body, outcome, replies, peer: peer.address.to_string(), fault });
    }

    pub(crate) fn store(&self) -> &dyn MessageStore {
        self.store.as_ref()
    }

    pub(crate) fn shared_store(&self) -> Arc<dyn MessageStore> {
        Arc::clone(&self.store)
    }

    /// MSH-10 of a new reply.
    pub(crate) fn control_id(&self) -> String {
        self.control_ids.next()
    }

    pub(crate) fn read(&self, body: &Bytes, arrival: Timestamp) -> Read {
        let unreadable = |error: ParseError| Read {
            header: salvage(body, &error),
            plan: Err(Outcome::Refused(error.into())),
        };
        let text = match Text::from_bytes(body) {
            Ok(text) => text,
            Err(error) => return unreadable(error),
        };
        let header = text.header();
        let plan = if header.message_type.code == "ACK" || text.segment("MSA").is_some() {
            Err(Outcome::Acknowledgment)
        } else {
            self.plan(&text, &header, body, arrival).map_err(Outcome::Refused)
        };
        Read { header: Some(header), plan }
    }

    fn plan(
        &self,
        message: &Text,
        header: &Header,
        body: &Bytes,
        arrival: Timestamp,
    ) -> Result<Plan, Refusal> {
        self.check(header)?;
        let found = patient::patients(message, &header.message_type.trigger_event, &self.patient_id_type);
        let (patients, complaint) = match found {
            Ok(patients) => (patients, None),
            Err(complaint) => (Vec::new(), Some(complaint)),
        };
        let party = |field| message.segment("MSH").map_or("", |msh| msh.field(field));
        let source = format!("{}|{}", party(3), party(4));
        let text = match header.charset.decode(body) {
            Some(Cow::Owned(text)) => Bytes::from(text),
            Some(Cow::Borrowed(_)) | None => body.clone(),
        };
        let current =
            order::key(message, arrival).map(|order| NewCurrent { patients: patients.clone(), order, text });
        Ok(Plan {
            incoming: Incoming {
                received: ReceivedKey::new(&source, &header.control_id),
                body: body.clone(),
                current,
            },
            patients,
            complaint: complaint.filter(|_| self.require_patient_id),
        })
    }

    /// The message processing rules of HL7 v2.5.1 §2.9.2.2.
    fn check(&self, header: &Header) -> Result<(), Refusal> {
        let message_type = &header.message_type;
        if !self.message_types.contains(&message_type.code) {
            return Err(Refusal::MessageType);
        }
        if !is_event(&message_type.trigger_event) {
            return Err(Refusal::Event);
        }
        // Nothing here depends on the processing id, and senders leave it out.
        if !matches!(header.processing_id.as_str(), "P" | "T" | "D" | "") {
            return Err(Refusal::ProcessingId);
        }
        if !VERSIONS.contains(&header.version.as_str()) {
            return Err(Refusal::Version);
        }
        if header.control_id.is_empty() {
            return Err(Refusal::Required(Location::field("MSH", 10)));
        }
        Ok(())
    }

    /// Stores within the time allowed; a failure that may pass gets a second try.
    pub(crate) async fn keep(&self, plan: Plan, store: &dyn MessageStore) -> Outcome {
        // HL7 has no header for a trace: it is one of its own, found by the message.
        let mut span = Span::begin(Kind::Server, "mllp receive", None);
        if span.is_recording() {
            span.set("hl7.message", plan.incoming.received.name().to_owned());
            span.set("network.protocol.name", "mllp");
        }
        let outcome = self.keep_in_time(plan, store).await;
        if let Outcome::StoredWith(_) | Outcome::Refused(_) = &outcome {
            span.fail("refused");
        }
        outcome
    }

    async fn keep_in_time(&self, plan: Plan, store: &dyn MessageStore) -> Outcome {
        let started = Instant::now();
        for (attempt, share) in [(1, self.store_timeout / 2), (2, self.store_timeout)] {
            let error = match timeout_at(started + share, store.put_incoming(&plan.incoming)).await {
                Ok(Ok(Stored::Conflict)) => return Outcome::Refused(Refusal::ControlIdReused),
                Ok(Ok(stored)) => {
                    return match (plan.complaint, stored) {
                        (Some(complaint), _) => Outcome::StoredWith(complaint),
                        (None, Stored::Duplicate) => Outcome::Duplicate,
                        (None, Stored::New | Stored::Conflict) => Outcome::Stored,
                    };
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    tracing::warn!(
                        attempt,
                        hl7.message = plan.incoming.received.name(),
                        "storing took too long"
                    );
                    continue;
                }
            };
            tracing::warn!(attempt, hl7.message = plan.incoming.received.name(), %error, "storing failed");
            if !error.is_transient() {
                break;
            }
        }
        Outcome::Refused(Refusal::NotStored)
    }

    /// The messages of a batch, one after the other; `observe` is told of each. See [`batch`].
    pub(crate) async fn receive_batch(
        &self,
        peer: &Peer,
        body: &Bytes,
        mut observe: impl FnMut(&Bytes, Option<&Header>, &Outcome) + Send,
    ) -> Vec<Vec<u8>> {
        let started = Instant::now();
        let file = match batch::split(body) {
            Ok(file) => file,
            Err(header) => {
                let outcome = Outcome::Refused(Refusal::MalformedBatch);
                self.log(peer, None, &outcome, body.len(), started);
                observe(body, Some(&header), &outcome);
                let answer = self.answer(Some(&header), &outcome, Timestamp::now());
                self.tell(peer, body, Some(&outcome), &answer, None);
                return answer;
            }
        };
        let mut answers = Vec::new();
        for message in file.messages() {
            let started = Instant::now();
            let Read { header, plan } = self.read(message, Timestamp::now());
            let outcome = match plan {
                Ok(plan) => self.keep(plan, self.store.as_ref()).await,
                Err(outcome) => outcome,
            };
            self.log(peer, header.as_ref(), &outcome, message.len(), started);
            observe(message, header.as_ref(), &outcome);
            let answer = self.answer(header.as_ref(), &outcome, Timestamp::now());
            self.tell(peer, message, Some(&outcome), &answer, None);
            answers.push(answer);
        }
        let time = order::hl7(Timestamp::now());
        file.acknowledge(answers, &time, || self.control_ids.next()).into_iter().collect()
    }

    /// Counts a message, and writes one line of log for it.
    pub(crate) fn log(
        &self,
        peer: &Peer,
        header: Option<&Header>,
        outcome: &Outcome,
        size_bytes: usize,
        started: Instant,
    ) {
        self.metrics.message(outcome, size_bytes);
        log(peer, header, outcome, size_bytes, started);
    }

    /// Every reply comes from here, and from nowhere else.
    pub(crate) fn answer(&self, header: Option<&Header>, outcome: &Outcome, now: Timestamp) -> Vec<Vec<u8>> {
        acknowledge(outcome, header, &order::hl7(now), || self.control_ids.next())
    }
}

impl Handler for Receiver {
    async fn handle(&self, peer: &Peer, frame: Frame) -> Reply {
        let started = Instant::now();
        let body = frame.into_bytes();
        if batch::is_batch(&body) {
            return Reply::frames(self.receive_batch(peer, &body, |_, _, _| {}).await);
        }
        let Read { header, plan } = self.read(&body, Timestamp::now());
        let outcome = match plan {
            Ok(plan) => self.keep(plan, self.store.as_ref()).await,
            Err(outcome) => outcome,
        };
        self.log(peer, header.as_ref(), &outcome, body.len(), started);
        let answers = self.answer(header.as_ref(), &outcome, Timestamp::now());
        self.tell(peer, &body, Some(&outcome), &answers, None);
        Reply::frames(answers)
    }

    fn counted(&self, count: Count) {
        self.metrics.counted(count);
    }

    fn unreadable(&self, _peer: &Peer, error: &CodecError) -> Option<Vec<u8>> {
        let refusal = match error {
            CodecError::TooLarge { .. } => Refusal::TooLarge,
            CodecError::TooMuchJunk { .. } => Refusal::Unreadable(ParseError::NoHeader),
            CodecError::Truncated { .. } | CodecError::FramingByte { .. } | CodecError::Io(_) => return None,
        };
        self.answer(None, &Outcome::Refused(refusal), Timestamp::now()).pop()
    }
}

/// One line for one message; nothing of its content.
fn log(peer: &Peer, header: Option<&Header>, outcome: &Outcome, size_bytes: usize, started: Instant) {
    // Within the events, so that a line that is not written costs nothing.
    let event =
        || header.map(|header| header.message_type.trigger_event.as_str()).filter(|event| is_event(event));
    let control_id = || header.and_then(own_control_id);
    let duration_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Outcome::Stored | Outcome::Duplicate | Outcome::Acknowledgment => {
            tracing::info!(mllp.peer = %peer.address, hl7.control_id = control_id(), hl7.trigger_event = event().unwrap_or_default(), outcome = format!("{outcome:?}"), size_bytes, duration_ms = duration_ms(), "message received");
        }
        Outcome::StoredWith(refusal) | Outcome::Refused(refusal) => {
            tracing::warn!(mllp.peer = %peer.address, hl7.control_id = control_id(), hl7.trigger_event = event().unwrap_or_default(), error = %refusal, size_bytes, duration_ms = duration_ms(), "message refused");
        }
    }
}

/// A control id in the form that this project mints. Any other MSH-10 may hold anything, a name too.
fn own_control_id(header: &Header) -> Option<&str> {
    let id = header.control_id.as_str();
    (ReceivedKey::new("", id).name() == id).then_some(id)
}

/// The header of a message that cannot be read as a whole, so that the reply names it. Characters that cannot be
/// read are left out.
fn salvage(body: &[u8], error: &ParseError) -> Option<Header> {
    if matches!(error, ParseError::NoHeader | ParseError::Batch | ParseError::InvalidSeparators) {
        return None;
    }
    let first =
        body.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.trim_ascii().is_empty())?;
    let ascii: String = first.iter().filter(|byte| byte.is_ascii()).copied().map(char::from).collect();
    let text = Text::from_text(&ascii).ok()?;
    Some(text.header())
}

/// A letter and two digits or letters, as all trigger events; also safe to log.
fn is_event(event: &str) -> bool {
    event.len() == 3
        && event.starts_with(|first: char| first.is_ascii_uppercase())
        && event.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// MSH-12, table 0104.
const VERSIONS: [&str; 15] = [
    "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2",
    "2.9", "2.9.1",
];
