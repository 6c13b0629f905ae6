//! The record of the last message the hook accepted for a patient.

use std::{collections::HashMap, fmt};

use bytes::Bytes;

use crate::{OrderingKey, StoreError, key::content_hash};

/// What the hook remembers of a patient: enough to answer a read at once and to number the next version.
///
/// Everything beside `body` is free of personal data. `Debug` hides the body.
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
    /// What the sender's server said of the newest version it told of, if it ever did.
    pub told: Mark,
    /// Whether the last write was numbered by `version` alone: its sender told no version.
    pub counted: bool,
    /// Stands for the content of the last write, as a hash.
    pub content: Option<String>,
    /// A write of a process that shares this store with others and has not come to its end.
    pub claim: Option<Claim>,
}

/// What a FHIR server says of a resource's version. Versions of one server compare; nothing here is personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// `meta.versionId`: visible ASCII.
    pub version_id: Option<String>,
    /// `meta.lastUpdated`.
    pub last_updated: Option<OrderingKey>,
}

/// Keeps other processes from writing the patient until a write has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// After this the claim keeps nobody away, and says only that its write may or may not be in the queue.
    pub until: OrderingKey,
    /// Tells one claim from another.
    pub nonce: String,
    /// The version that is being written.
    pub told: Mark,
}

impl fmt::Debug for AcceptedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedRecord")
            .field("deleted", &self.deleted)
            .field("version", &self.version)
            .field("order", &self.order)
            .field("control_id", &self.control_id)
            .field("told", &self.told)
            .field("claim", &self.claim)
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

/// The text form of a record, in every store: header lines, an empty line, the body.
///
/// ```text
/// accepted 1
/// deleted: false
/// version: 3
/// order: 2024-03-02T19:05:10.000Z
/// control-id: VZEODMCEQHWF2SUNLDME
/// request: 5f0c…            (this line and those below may be missing)
/// told-version: 7
/// told-updated: 2024-03-02T19:05:10Z
/// counted: true
/// content: 9b1d…
/// claim: 2024-03-02T19:06:10.000Z 4f5a… 8 2024-03-02T19:06:00Z
///
/// MSH|…
/// ```
impl AcceptedRecord {
    pub(crate) fn to_text(&self) -> Result<Bytes, StoreError> {
        let mut text = format!(
            "{MAGIC}\n{DELETED}: {}\n{VERSION}: {}\n{ORDER}: {}\n{CONTROL_ID}: {}\n",
            self.deleted,
            self.version,
            self.order.as_str(),
            plain(&self.control_id)?,
        )
        .into_bytes();
        for (name, value) in self.optional()? {
            text.extend_from_slice(format!("{name}: {value}\n").as_bytes());
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
        let fields: HashMap<&str, &str> =
            lines.map(|line| line.split_once(": ")).collect::<Option<_>>().ok_or_else(unreadable)?;
        Self::from_fields(text.slice(end + 2..), &fields).ok_or_else(unreadable)
    }

    /// The fields that need not be there.
    fn optional(&self) -> Result<Vec<(&'static str, String)>, StoreError> {
        let mut fields = Vec::new();
        let mut put = |name, value: Option<&str>| {
            if let Some(value) = value {
                fields.push((name, plain(value)?.to_owned()));
            }
            Ok::<_, StoreError>(())
        };
        put(REQUEST, self.request.as_deref())?;
        put(TOLD_VERSION, self.told.version_id.as_deref())?;
        put(TOLD_UPDATED, self.told.last_updated.as_ref().map(OrderingKey::as_str))?;
        put(COUNTED, self.counted.then_some("true"))?;
        put(CONTENT, self.content.as_deref())?;
        if let Some(claim) = &self.claim {
            let text = |value: Option<&str>| plain(value.unwrap_or(NOTHING)).map(str::to_owned);
            let parts = [
                claim.until.as_str().to_owned(),
                text(Some(&claim.nonce))?,
                text(claim.told.version_id.as_deref())?,
                text(claim.told.last_updated.as_ref().map(OrderingKey::as_str))?,
            ];
            fields.push((CLAIM, parts.join(" ")));
        }
        Ok(fields)
    }

    /// `None` when a field is missing or not readable.
    fn from_fields(body: Bytes, fields: &HashMap<&str, &str>) -> Option<Self> {
        let field = |name: &str| fields.get(name).copied();
        let key = |text: &str| OrderingKey::new(text).ok();
        Some(Self {
            body,
            deleted: field(DELETED)?.parse().ok()?,
            version: field(VERSION)?.parse().ok()?,
            order: key(field(ORDER)?)?,
            control_id: field(CONTROL_ID)?.to_owned(),
            request: field(REQUEST).map(str::to_owned),
            told: Mark {
                version_id: field(TOLD_VERSION).map(str::to_owned),
                last_updated: field(TOLD_UPDATED).and_then(key),
            },
            counted: field(COUNTED).is_some_and(|counted| counted == "true"),
            content: field(CONTENT).map(str::to_owned),
            claim: match field(CLAIM) {
                Some(claim) => Some(Claim::parse(claim)?),
                None => None,
            },
        })
    }
}

impl Claim {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let until = OrderingKey::new(parts.next()?).ok()?;
        let nonce = parts.next()?.to_owned();
        let mut told = || parts.next().filter(|part| *part != NOTHING).map(str::to_owned);
        let (version_id, last_updated) = (told(), told());
        let last_updated = last_updated.and_then(|key| OrderingKey::new(key).ok());
        Some(Self { until, nonce, told: Mark { version_id, last_updated } })
    }
}

impl Tag {
    /// The tag of a record in its text form.
    pub(crate) fn of(text: &[u8]) -> Self {
        Self(content_hash(text))
    }
}

/// Visible ASCII only: the value stands in a header line.
fn plain(value: &str) -> Result<&str, StoreError> {
    if value.len() <= 256 && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(StoreError::Corrupt { reason: "a control id or request id does not fit a header" })
    }
}

const MAGIC: &str = "accepted 1";
const DELETED: &str = "deleted";
const VERSION: &str = "version";
const ORDER: &str = "order";
const CONTROL_ID: &str = "control-id";
const REQUEST: &str = "request";
const TOLD_VERSION: &str = "told-version";
const TOLD_UPDATED: &str = "told-updated";
const COUNTED: &str = "counted";
const CONTENT: &str = "content";
const CLAIM: &str = "claim";
/// Stands where a claim tells nothing; no version has this name.
const NOTHING: &str = "~";

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
            told: Mark::default(),
            counted: false,
            content: None,
            claim: None,
        }
    }

    #[test]
    fn text_reads_back() {
        let mut record = record();
        assert_eq!(AcceptedRecord::from_text(&record.to_text().unwrap()).unwrap(), record);
        record.request = Some("abc".to_owned());
        record.deleted = true;
        record.counted = true;
        record.content = Some("def".to_owned());
        let updated = OrderingKey::new("2024-03-02T19:05:10.123456Z").unwrap();
        record.told = Mark { version_id: Some("7".to_owned()), last_updated: Some(updated.clone()) };
        assert_eq!(AcceptedRecord::from_text(&record.to_text().unwrap()).unwrap(), record);
        for told in [
            Mark::default(),
            record.told.clone(),
            Mark { version_id: None, last_updated: Some(updated.clone()) },
        ] {
            record.claim = Some(Claim { until: updated.clone(), nonce: "n".to_owned(), told });
            assert_eq!(AcceptedRecord::from_text(&record.to_text().unwrap()).unwrap(), record);
        }
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
