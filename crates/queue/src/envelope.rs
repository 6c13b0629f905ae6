//! What is queued: one final ER7 message and the facts a consumer needs without reading it.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::QueueError;

/// One message to queue. `Debug` shows sizes only, the body is PHI.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The final ER7 text: UTF-8, segments end in CR, no MLLP framing. Never changed on the way.
    pub body: String,
    /// Messages of one group are delivered in the order they were sent, one at a time.
    pub group: GroupId,
    /// A second send with the same group and id inside the window is a [`Sent::Duplicate`](crate::Sent).
    pub deduplication_id: DeduplicationId,
    /// Facts about the body that hold no PHI.
    pub attributes: Attributes,
}

impl Envelope {
    /// Checks what every backend refuses: a body over `max_body_bytes`, control characters other than TAB, LF
    /// and CR (an MLLP frame ends at 0x1C), and an empty control id, which no acknowledgment could match.
    ///
    /// # Errors
    /// [`QueueError::TooLarge`], [`QueueError::InvalidBody`] or [`QueueError::InvalidEnvelope`].
    pub fn validate(&self, max_body_bytes: usize) -> Result<(), QueueError> {
        if self.body.len() > max_body_bytes {
            return Err(QueueError::TooLarge { size_bytes: self.body.len(), limit_bytes: max_body_bytes });
        }
        if self.body.is_empty() {
            return Err(QueueError::InvalidBody { offset: 0 });
        }
        // Nearly every body is plain; looking at bytes without a branch for each is several times as fast.
        let plain = self.body.bytes().fold(true, |plain, byte| plain & is_plain(byte));
        if !plain && let Some((offset, _)) = self.body.char_indices().find(|(_, c)| !is_allowed(*c)) {
            return Err(QueueError::InvalidBody { offset });
        }
        let fields =
            [("control_id", Some(&self.attributes.control_id)), ("event", Some(&self.attributes.event))];
        for (field, value) in
            fields.into_iter().chain([("traceparent", self.attributes.traceparent.as_ref())])
        {
            if let Some(value) = value
                && (value.trim().is_empty() || value.len() > 256 || value.chars().any(char::is_control))
            {
                return Err(QueueError::InvalidEnvelope { field });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("body_bytes", &self.body.len())
            .field("group", &self.group)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

/// The PHI-free facts that travel beside the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// MSH-10 of the body; an acknowledgment must carry it in MSA-2.
    pub control_id: String,
    /// Message type and trigger event, such as `ADT^A28`.
    pub event: String,
    /// The version of the resource when the server counts in decimal.
    pub version: Option<u64>,
    /// When the hook accepted the write, RFC 3339.
    pub enqueued_at: String,
    /// W3C trace context of the accepted request.
    pub traceparent: Option<String>,
}

impl Attributes {
    /// The trace id within [`traceparent`](Self::traceparent), for log lines.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref()?.split('-').nth(1)
    }
}

/// Ordering group: 1 to 128 characters of `A-Z a-z 0-9 - _ .`, never PHI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(String);

impl GroupId {
    /// Takes an id that is already safe.
    ///
    /// # Errors
    /// [`QueueError::InvalidEnvelope`] when it is empty, too long or holds other characters.
    pub fn new(id: impl Into<String>) -> Result<Self, QueueError> {
        safe(id.into()).map(Self).ok_or(QueueError::InvalidEnvelope { field: "group" })
    }

    /// Hashes `parts` (such as a patient id) into an id that says nothing about them.
    pub fn digest(parts: &[&str]) -> Self {
        Self(digest(parts))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Identity of one write: 1 to 128 characters of `A-Z a-z 0-9 - _ .`, never PHI.
///
/// Made from source, resource id, version or idempotency key, and event; never from the content alone, or a
/// value that changes to B and back to A would lose its third message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeduplicationId(String);

impl DeduplicationId {
    /// Takes an id that is already safe.
    ///
    /// # Errors
    /// [`QueueError::InvalidEnvelope`] when it is empty, too long or holds other characters.
    pub fn new(id: impl Into<String>) -> Result<Self, QueueError> {
        safe(id.into()).map(Self).ok_or(QueueError::InvalidEnvelope { field: "deduplication_id" })
    }

    /// Hashes `parts` into an id that says nothing about them.
    pub fn digest(parts: &[&str]) -> Self {
        Self(digest(parts))
    }

    /// Of a message that an operator queues once more, the same bytes: equal to no other id, so that neither the queue nor
    /// a ledger takes it for a repeat. `once` tells these apart.
    pub fn once_more(once: u128) -> Self {
        Self(format!("{ONCE_MORE}{once:032x}"))
    }

    /// Whether it is such a one.
    pub fn is_once_more(&self) -> bool {
        self.0.starts_with(ONCE_MORE)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What SQS accepts in a body (XML 1.0 characters), which is a superset of what MLLP can carry.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// A byte of a character that is allowed; 0xEF begins those from U+F000 on, of which two are not.
fn is_plain(byte: u8) -> bool {
    ((byte >= 0x20) & (byte != 0xef)) | (byte == b'\r') | (byte == b'\n') | (byte == b'\t')
}

fn safe(id: String) -> Option<String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (!id.is_empty() && id.len() <= 128 && id.bytes().all(legal)).then_some(id)
}

/// SHA-256 in hexadecimal; each part is preceded by its length, so that parts cannot run into each other.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

/// No digest begins with it.
const ONCE_MORE: &str = "once-more-";

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(body: &str) -> Envelope {
        Envelope {
            body: body.to_owned(),
            group: GroupId::digest(&["p1"]),
            deduplication_id: DeduplicationId::digest(&["p1", "1"]),
            attributes: Attributes {
                control_id: "c1".into(),
                event: "ADT^A28".into(),
                ..Attributes::default()
            },
        }
    }

    #[test]
    fn accepts_tab_line_feed_and_carriage_return() {
        assert_eq!(envelope("MSH|^~\\&|\tä\n\r𝄞").validate(64), Ok(()));
    }

    #[test]
    fn refuses_control_characters_by_offset() {
        for (body, offset) in [("MSH\u{b}", 3), ("é\u{1c}", 2), ("\0", 0), ("a\u{fffe}", 1), ("", 0)] {
            assert_eq!(envelope(body).validate(64), Err(QueueError::InvalidBody { offset }));
        }
    }

    #[test]
    fn refuses_large_bodies_and_empty_control_ids() {
        let error = envelope("12345").validate(4);
        assert_eq!(error, Err(QueueError::TooLarge { size_bytes: 5, limit_bytes: 4 }));
        let mut blank = envelope("MSH");
        blank.attributes.control_id = " ".into();
        assert_eq!(blank.validate(64), Err(QueueError::InvalidEnvelope { field: "control_id" }));
    }

    #[test]
    fn ids_are_safe_characters() {
        assert!(GroupId::new("a-Z_0.9").is_ok());
        for bad in ["", "a b", "ä", &"x".repeat(129)] {
            assert!(GroupId::new(bad).is_err() && DeduplicationId::new(bad).is_err());
        }
        assert!(
            DeduplicationId::once_more(1).is_once_more() && !DeduplicationId::digest(&["a"]).is_once_more()
        );
        assert_ne!(GroupId::digest(&["ab", "c"]), GroupId::digest(&["a", "bc"]));
    }

    #[test]
    fn debug_shows_no_body() {
        assert!(!format!("{:?}", envelope("MSH|Canary")).contains("Canary"));
    }
}
