//! What happens, told to the inspector: never waits, never fails whoever tells.
//!
//! A channel of limited length leads to the thread that writes the index. When it is full, what does not fit is left
//! out, and the thread looks through the message store afterwards.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hl7v2::Acknowledgment;
use jiff::Timestamp;
use message_store::ReceivedKey;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::index::{Change, Known};
use crate::summary;

/// Takes what happens. Clones lead to the same index.
#[derive(Clone)]
pub struct Feed {
    changes: mpsc::Sender<Told>,
    /// Something was left out.
    behind: Arc<AtomicBool>,
}

/// A message that the queue took.
pub struct Queued<'a> {
    /// ER7, as it was queued.
    pub body: &'a str,
    /// MSH-10.
    pub control_id: &'a str,
    /// Its ordering group.
    pub group: &'a str,
    /// When the hook accepted the write, RFC 3339.
    pub accepted_at: &'a str,
    /// Whether the queue had it already.
    pub repeated: bool,
}

/// A message that came to the test server.
pub struct Arrival<'a> {
    /// The bytes as they came, without framing.
    pub body: &'a Bytes,
    /// What became of it: `stored`, `duplicate`, `stored_with_complaint`, `refused`, `dropped`, or `conflict` where
    /// another message has its name.
    pub outcome: &'static str,
    /// The answers, without framing.
    pub replies: &'a [Vec<u8>],
    /// Who sent it: an address.
    pub peer: String,
    /// What was done to it on purpose.
    pub fault: Option<String>,
}

impl Feed {
    pub(crate) fn new(length: usize) -> (Self, mpsc::Receiver<Told>, Arc<AtomicBool>) {
        let (changes, receiver) = mpsc::channel(length);
        let behind = Arc::new(AtomicBool::new(false));
        (Self { changes, behind: Arc::clone(&behind) }, receiver, behind)
    }

    /// The queue took a message.
    pub fn queued(&self, message: &Queued<'_>) {
        let accepted_at = message.accepted_at.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
        let known = Known::Queued {
            body: Bytes::copy_from_slice(message.body.as_bytes()),
            group: message.group.to_owned(),
            accepted_at,
            repeated: message.repeated,
        };
        self.tell(id(message.body.as_bytes(), message.control_id), known);
    }

    /// The sender got it from the queue, for the `count`-th time.
    pub fn leased(&self, body: &str, control_id: &str, count: u32) {
        let known = Known::Leased { body: Bytes::copy_from_slice(body.as_bytes()), count };
        self.tell(id(body.as_bytes(), control_id), known);
    }

    /// It was acknowledged and left the queue.
    pub fn delivered(&self, id: &str) {
        self.tell(id.to_owned(), Known::Delivered);
    }

    /// It was given up.
    pub fn dead(
        &self,
        id: &str,
        reason: &str,
        codes: (Option<&str>, Option<&str>),
        attempts: u32,
        acknowledgment: Option<&str>,
    ) {
        let known = Known::Dead {
            reason: reason.to_owned(),
            ack_code: codes.0.unwrap_or_default().to_owned(),
            error_code: codes.1.unwrap_or_default().to_owned(),
            attempts,
            acknowledgment: acknowledgment.map(|text| text.as_bytes().to_vec()),
        };
        self.tell(id.to_owned(), known);
    }

    /// An operator did something to it: `redriven`, `skipped`, `resent`, or another word with only a note.
    pub fn operated(&self, id: &str, kind: &'static str, detail: &str) {
        self.tell(id.to_owned(), Known::Operated { kind, detail: detail.to_owned() });
    }

    /// Waits until the index has what was told before, so that whoever reads next sees it; at most some seconds, and not
    /// where something was left out.
    pub async fn settled(&self) {
        let (reached, settled) = oneshot::channel();
        self.put(Told::Asked(reached));
        // Nobody answers: it is dropped when it is reached.
        drop(tokio::time::timeout(PATIENCE, settled).await);
    }

    /// It came to the test server and was answered. Reads neither: the peer waits.
    pub fn arrived(&self, arrival: Arrival<'_>) {
        let peer = format!("from {}", arrival.peer);
        self.put(Told::Arrived(Box::new(Came {
            at: now(),
            body: arrival.body.clone(),
            outcome: arrival.outcome,
            reply: arrival.replies.last().cloned(),
            detail: arrival.fault.map_or(peer.clone(), |fault| format!("{peer}; fault: {fault}")),
        })));
    }

    fn tell(&self, id: String, known: Known) {
        self.put(Told::Change(Change { id, at: now(), known }));
    }

    fn put(&self, told: Told) {
        if self.changes.try_send(told).is_err() && !self.behind.swap(true, Ordering::Relaxed) {
            tracing::warn!("the inspector is behind; it will look through the store");
        }
    }
}

/// What goes through the channel; what takes time is done at its end.
pub(crate) enum Told {
    Change(Change),
    Arrived(Box<Came>),
    /// Somebody waits until it is dropped, with all before it in the index.
    Asked(oneshot::Sender<()>),
}

/// A message at the test server, unread.
pub(crate) struct Came {
    at: i64,
    body: Bytes,
    outcome: &'static str,
    reply: Option<Vec<u8>>,
    detail: String,
}

impl Told {
    /// What the index is told, and who waits for it.
    pub(crate) fn sort(batch: Vec<Self>) -> (Vec<Change>, Vec<oneshot::Sender<()>>) {
        let (mut changes, mut waiting) = (Vec::with_capacity(batch.len()), Vec::new());
        for told in batch {
            match told {
                Self::Change(change) => changes.push(change),
                Self::Arrived(came) => changes.push(came.into_change()),
                Self::Asked(reached) => waiting.push(reached),
            }
        }
        (changes, waiting)
    }
}

/// How long whoever asked waits for the index.
const PATIENCE: Duration = Duration::from_secs(5);

impl Came {
    fn into_change(self) -> Change {
        let Self { at, body, outcome, reply, detail } = self;
        let id = if outcome == "conflict" { bytes_id(&body) } else { summary_id(&body) };
        let read = reply.as_ref().and_then(|reply| Acknowledgment::from_bytes(reply).ok());
        let error = read.as_ref().and_then(|read| read.errors.first());
        let known = Known::Arrived(crate::index::Arrived {
            outcome: outcome.to_owned(),
            stored: matches!(outcome, "stored" | "duplicate" | "stored_with_complaint"),
            ack_code: read.as_ref().map(|read| read.code.as_str().to_owned()).unwrap_or_default(),
            error_code: error.map(|error| error.code.to_string()).unwrap_or_default(),
            acknowledgment: reply,
            body,
            detail,
        });
        Change { id, at, known }
    }
}

fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("room", &self.changes.capacity()).finish_non_exhaustive()
    }
}

/// How the inspector names a message of the queue: as the store will name it.
fn id(body: &[u8], control_id: &str) -> String {
    let own = ReceivedKey::new("", control_id);
    if own.name() == control_id {
        return control_id.to_owned();
    }
    let source = summary::read(body).ok().and_then(|text| source(&text)).unwrap_or_default();
    ReceivedKey::new(&source, control_id).name().to_owned()
}

impl Queued<'_> {
    /// How the inspector names it; for [`Feed::delivered`] and the like.
    #[must_use]
    pub fn id(body: &str, control_id: &str) -> String {
        id(body.as_bytes(), control_id)
    }
}

/// MSH-3 and MSH-4 as they stand: what tells two senders' control ids apart.
fn source(text: &hl7v2::Text) -> Option<String> {
    let message = text.parse().ok()?;
    let msh = message.segment("MSH")?;
    Some(format!("{}|{}", msh.field(3).raw(), msh.field(4).raw()))
}

/// The id of what the store does not have: by its control id where it can be read, else by its bytes.
fn summary_id(body: &[u8]) -> String {
    let control_id = summary::read(body).ok().and_then(|text| Some(text.parse().ok()?.header().control_id));
    match control_id.filter(|control_id| !control_id.is_empty()) {
        Some(control_id) => id(body, &control_id),
        None => bytes_id(body),
    }
}

fn bytes_id(body: &[u8]) -> String {
    format!("bytes-{}", HEXLOWER.encode(&Sha256::digest(body)))
}
