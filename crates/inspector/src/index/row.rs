//! What the index gives out.

use std::fmt;

use rusqlite::Row as SqliteRow;
use serde::Serialize;

/// One message in a listing. Patient data: `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// Names the message in every call: the control id of our own, a hash for others.
    pub(crate) id: String,
    /// Rises with time; `before` of a listing.
    pub(crate) seq: i64,
    /// RFC 3339, when it was first seen.
    pub(crate) at: String,
    pub(crate) control_id: String,
    /// MSH-9.1.
    pub(crate) kind: String,
    /// MSH-9.2.
    pub(crate) event: String,
    pub(crate) version: String,
    pub(crate) sender: String,
    pub(crate) receiver: String,
    pub(crate) name: String,
    pub(crate) mrn: String,
    /// `queued`, `sending`, `delivered`, `dead`, `stored`, `refused`, `dropped`.
    pub(crate) state: String,
    /// MSA-1 of the last answer.
    pub(crate) ack_code: String,
    /// ERR-3.1 of the last answer.
    pub(crate) error_code: String,
    /// How often the sender had it.
    pub(crate) attempts: i64,
    /// How often it arrived.
    pub(crate) deliveries: i64,
    /// From accepted to acknowledged.
    pub(crate) end_to_end_ms: Option<i64>,
    pub(crate) size_bytes: i64,
    /// Whether the message store has it.
    pub(crate) stored: bool,
    #[serde(skip)]
    pub(crate) patient: String,
    #[serde(skip)]
    pub(crate) queue_group: String,
}

impl Row {
    /// What [`read`](Self::read) expects.
    pub(crate) const COLUMNS: &str = "m.seq, m.id, m.control_id, m.kind, m.event, m.version, m.sender, m.receiver, \
         m.name, m.mrn, m.state, m.ack_code, m.error_code, m.attempts, m.deliveries, m.accepted_us, m.settled_us, \
         m.size, m.stored, m.patient, m.queue_group";

    pub(crate) fn read(row: &SqliteRow<'_>) -> rusqlite::Result<Self> {
        let (accepted, settled): (Option<i64>, Option<i64>) = (row.get(15)?, row.get(16)?);
        let seq = row.get(0)?;
        Ok(Self {
            seq,
            at: time(seq),
            id: row.get(1)?,
            control_id: row.get(2)?,
            kind: row.get(3)?,
            event: row.get(4)?,
            version: row.get(5)?,
            sender: row.get(6)?,
            receiver: row.get(7)?,
            name: row.get(8)?,
            mrn: row.get(9)?,
            state: row.get(10)?,
            ack_code: row.get(11)?,
            error_code: row.get(12)?,
            attempts: row.get(13)?,
            deliveries: row.get(14)?,
            end_to_end_ms: accepted.zip(settled).map(|(from, to)| (to - from).max(0) / 1000),
            size_bytes: row.get(17)?,
            stored: row.get(18)?,
            patient: row.get(19)?,
            queue_group: row.get(20)?,
        })
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) number: i64,
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) kind: String,
    /// More about it; no values of patients.
    pub(crate) detail: String,
}

impl Step {
    pub(crate) fn read(row: &SqliteRow<'_>) -> rusqlite::Result<Self> {
        Ok(Self { number: row.get(0)?, at: time(row.get(1)?), kind: row.get(2)?, detail: row.get(3)? })
    }
}

/// Microseconds since 1970 as RFC 3339.
pub(crate) fn time(microseconds: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(microseconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
