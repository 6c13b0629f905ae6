//! Rows of the database: schema, statements, checksums.

use std::string::FromUtf8Error;

use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};

use crate::{Attributes, DeduplicationId, Envelope, GroupId, QueueError};

/// The columns [`Stored::read`] expects, in its order.
pub(super) const COLUMNS: &str = "message.seq, message.group_name, deduplication_id, control_id, event, version, \
     enqueued_at, traceparent, receive_count, checksum, body";

/// One row of `message`, as far as it can be read.
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) receive_count: u32,
    pub(super) envelope: Envelope,
    /// Whether the checksum still matches.
    pub(super) intact: bool,
}

impl Stored {
    /// As it was sent, and never received.
    pub(super) fn fresh(seq: u64, envelope: Envelope) -> Self {
        Self { seq, receive_count: 0, envelope, intact: true }
    }

    /// Reads a row even when bits of it rotted; `intact` tells.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        // `from_utf8_lossy` looks at every byte by itself.
        let lossy = |rot: FromUtf8Error| String::from_utf8_lossy(rot.as_bytes()).into_owned();
        let text = |index| {
            let text = bytes(row, index)?.to_vec();
            Ok::<_, rusqlite::Error>(String::from_utf8(text).unwrap_or_else(lossy))
        };
        let traceparent: Option<String> = row.get(7)?;
        let attributes = Attributes {
            control_id: text(3)?,
            event: text(4)?,
            version: row.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
            enqueued_at: text(6)?,
            traceparent,
        };
        let (group, deduplication_id) = (GroupId::new(text(1)?), DeduplicationId::new(text(2)?));
        let legible = group.is_ok() && deduplication_id.is_ok();
        let envelope = Envelope {
            body: text(10)?,
            group: group.unwrap_or_else(|_| GroupId::digest(&["damaged"])),
            deduplication_id: deduplication_id.unwrap_or_else(|_| DeduplicationId::digest(&["damaged"])),
            attributes,
        };
        let intact = legible && bytes(row, 9)? == checksum(&envelope);
        Ok(Self { seq: unsigned(row.get(0)?), receive_count: row.get(8)?, envelope, intact })
    }
}

/// The highest sequence that any message ever had.
pub(super) fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    let mut last = connection.prepare_cached(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0), \
         coalesce((SELECT max(seq) FROM message), 0), coalesce((SELECT max(seq) FROM recent_send), 0))",
    )?;
    last.query_row([], |row| row.get(0)).map(unsigned)
}

/// Writes a message under `sequence`.
pub(super) fn insert(
    connection: &Connection,
    envelope: &Envelope,
    sequence: u64,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let mut message = connection.prepare_cached(
        "INSERT INTO message (seq, group_name, deduplication_id, control_id, event, version, enqueued_at, traceparent, \
         sent_ms, checksum, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let facts = &envelope.attributes;
    message.execute(params![
        signed(sequence),
        envelope.group.as_str(),
        envelope.deduplication_id.as_str(),
        facts.control_id,
        facts.event,
        facts.version.map(u64::cast_signed),
        facts.enqueued_at,
        facts.traceparent,
        signed(now_ms),
        checksum(envelope).as_slice(),
        envelope.body,
    ])?;
    Ok(())
}

/// What SQLite says, as far as callers can act on it. SQLite names no bound values.
pub(super) fn database_error(error: &rusqlite::Error) -> QueueError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => QueueError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            QueueError::Corrupt { reason: error.to_string() }
        }
        _ => QueueError::Unavailable { reason: error.to_string() },
    }
}

/// SQLite counts in signed 64 bits; sequences and milliseconds never reach the sign.
pub(super) fn signed(value: u64) -> i64 {
    value.cast_signed()
}

pub(super) fn unsigned(value: i64) -> u64 {
    value.cast_unsigned()
}

fn bytes<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<&'row [u8]> {
    Ok(row.get_ref(index)?.as_bytes()?)
}

/// Covers everything that is delivered.
fn checksum(envelope: &Envelope) -> [u8; 16] {
    let facts = &envelope.attributes;
    let version = facts.version.map(|version| version.to_string()).unwrap_or_default();
    let mut hash = Sha256::new();
    for part in [
        envelope.group.as_str(),
        envelope.deduplication_id.as_str(),
        &facts.control_id,
        &facts.event,
        &version,
        &facts.enqueued_at,
        facts.traceparent.as_deref().unwrap_or_default(),
        &envelope.body,
    ] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut checksum = [0; 16];
    checksum.copy_from_slice(&hash.finalize()[..16]);
    checksum
}
