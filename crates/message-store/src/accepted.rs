//! The record of the last message the hook accepted for a patient.

use std::fmt;

use bytes::Bytes;

use crate::{OrderingKey, StoreError, key::content_hash};

/// What the hook remembers of a patient: enough to answer a read at once and to number the next version.
///
/// Everything beside `body` is free of personal data and stands in metadata. `Debug` hides the body.
#[derive(Clone, PartialEq, Eq)]
pub struct AcceptedRecord {
    /// The accepted message, ER7 text.
    pub body: Bytes,
    /// Whether the message deleted the patient.
    pub deleted: bool,
    /// Counts the accepted writes of this patient from 1.
    pub version: u64,
    /// When it was accepted, comparable with the record's later ones.
    pub order: OrderingKey,
    /// MSH-10 of the message.
    pub control_id: String,
    /// Names the request that brought it, as a hash, so that its repeat is recognised. `None` when unnamed.
    pub request: Option<String>,
}

impl fmt::Debug for AcceptedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedRecord")
            .field("deleted", &self.deleted)
            .field("version", &self.version)
            .field("order", &self.order)
            .field("control_id", &self.control_id)
            .field("size_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A record as it was read, with the tag that a conditional write needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What is stored.
    pub record: AcceptedRecord,
    /// Stands for exactly this state.
    pub tag: Tag,
}

/// Stands for one state of a record; opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub(crate) String);

/// What must still be true for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is no record yet.
    Absent,
    /// The record is the one read with this tag.
    Matches(Tag),
}

impl Precondition {
    /// Whether what is there, by its tag, is what the writer has seen.
    pub(crate) fn holds(&self, there: Option<&Tag>) -> bool {
        match (there, self) {
            (None, Self::Absent) => true,
            (Some(there), Self::Matches(tag)) => there == tag,
            (None, Self::Matches(_)) | (Some(_), Self::Absent) => false,
        }
    }
}

/// The text form of a record: header lines, an empty line, the body. Used by the memory and the directory store.
///
/// ```text
/// accepted 1
/// deleted: false
/// version: 3
/// order: 2024-03-02T19:05:10.000Z
/// control-id: VZEODMCEQHWF2SUNLDME
/// request: 5f0c…            (may be missing)
///
/// MSH|…
/// ```
impl AcceptedRecord {
    pub(crate) fn to_text(&self) -> Result<Bytes, StoreError> {
        let mut text = format!(
            "{MAGIC}\ndeleted: {}\nversion: {}\norder: {}\ncontrol-id: {}\n",
            self.deleted,
            self.version,
            self.order.as_str(),
            plain(&self.control_id)?,
        )
        .into_bytes();
        if let Some(request) = &self.request {
            text.extend_from_slice(format!("request: {}\n", plain(request)?).as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(&self.body);
        Ok(text.into())
    }

    pub(crate) fn from_text(text: &Bytes) -> Result<Self, StoreError> {
        let unreadable = || StoreError::Corrupt { reason: "an accepted record has no readable header" };
        let end = text.windows(2).position(|pair| pair == b"\n\n").ok_or_else(unreadable)?;
        let header = std::str::from_utf8(text.get(..end).unwrap_or_default()).map_err(|_| unreadable())?;
        let mut lines = header.lines();
        if lines.next() != Some(MAGIC) {
            return Err(unreadable());
        }
        let (mut deleted, mut version, mut order, mut control_id, mut request) =
            (None, None, None, None, None);
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or_else(unreadable)?;
            match name {
                "deleted" => deleted = value.parse().ok(),
                "version" => version = value.parse().ok(),
                "order" => order = OrderingKey::new(value).ok(),
                "control-id" => control_id = Some(value.to_owned()),
                "request" => request = Some(value.to_owned()),
                _ => return Err(unreadable()),
            }
        }
        Ok(Self {
            body: text.slice(end + 2..),
            deleted: deleted.ok_or_else(unreadable)?,
            version: version.ok_or_else(unreadable)?,
            order: order.ok_or_else(unreadable)?,
            control_id: control_id.ok_or_else(unreadable)?,
            request,
        })
    }
}

impl Tag {
    /// The tag of a record in its text form.
    pub(crate) fn of(text: &[u8]) -> Self {
        Self(content_hash(text))
    }
}

/// Visible ASCII only: the value stands in a header line, here and in S3 metadata.
pub(crate) fn plain(value: &str) -> Result<&str, StoreError> {
    if value.len() <= 256 && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(StoreError::Corrupt { reason: "a control id or request id does not fit a header" })
    }
}

const MAGIC: &str = "accepted 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AcceptedRecord {
        AcceptedRecord {
            body: Bytes::from_static(b"MSH|^~\\&|\n\nA\rPID|1"),
            deleted: false,
            version: 3,
            order: OrderingKey::new("2024").unwrap(),
            control_id: "VZEODMCEQHWF2SUNLDME".to_owned(),
            request: None,
        }
    }

    #[test]
    fn text_reads_back() {
        let mut record = record();
        assert_eq!(AcceptedRecord::from_text(&record.to_text().unwrap()).unwrap(), record);
        record.request = Some("abc".to_owned());
        record.deleted = true;
        assert_eq!(AcceptedRecord::from_text(&record.to_text().unwrap()).unwrap(), record);
    }

    #[test]
    fn damaged_text_is_corrupt_and_never_a_panic() {
        let text = record().to_text().unwrap();
        for end in 0..text.windows(2).position(|pair| pair == b"\n\n").unwrap() + 1 {
            let result = AcceptedRecord::from_text(&text.slice(..end));
            assert!(matches!(result, Err(StoreError::Corrupt { .. })), "cut at {end}");
        }
    }

    #[test]
    fn a_control_id_cannot_forge_a_header_line() {
        let mut record = record();
        record.control_id = "A\ndeleted: true".to_owned();
        assert!(record.to_text().is_err());
    }

    #[test]
    fn debug_hides_the_body() {
        assert!(!format!("{:?}", record()).contains("PID"));
    }
}
