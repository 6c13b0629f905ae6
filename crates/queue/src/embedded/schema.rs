//! The tables, their version, and the way from older versions to this one.
//!
//! `PRAGMA user_version` counts the [`STEPS`] that a file has seen; a new file goes through all of them. A file of
//! an older program is brought forward in one transaction when it is opened; one of a newer program is refused
//! and left as it is. Older programs refuse the file afterwards, so there is no way back but a copy made before.

use rusqlite::Connection;

use super::rows::database_error;
use crate::QueueError;

/// "ADTQ", so that another program's database is not taken for ours.
const APPLICATION_ID: i64 = 0x4144_5451;

/// What each version added. Steps that were released are never changed.
const STEPS: [&str; 3] = [
    "
CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL,
    deduplication_id TEXT NOT NULL,
    control_id TEXT NOT NULL,
    event TEXT NOT NULL,
    version INTEGER,
    enqueued_at TEXT NOT NULL,
    traceparent TEXT,
    sent_ms INTEGER NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    checksum BLOB NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX message_waiting ON message (seq, group_name) WHERE dead = 0;
CREATE TABLE dead_letter (
    seq INTEGER PRIMARY KEY,
    group_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    ack_code TEXT,
    error_code TEXT,
    attempts INTEGER NOT NULL,
    text TEXT,
    since_ms INTEGER NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX dead_letter_group ON dead_letter (group_name, seq);
CREATE TABLE deduplication (key BLOB PRIMARY KEY, seq INTEGER NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX deduplication_expires ON deduplication (expires_ms);
CREATE TABLE parked_group (name TEXT PRIMARY KEY) WITHOUT ROWID;
",
    // Which program made each version of the file, for whoever has to find the right one.
    "
CREATE TABLE schema_history (version INTEGER PRIMARY KEY, program TEXT NOT NULL, at_ms INTEGER NOT NULL);
",
    // Records for deduplication in the order in which they come and go. Those of older programs stay where they are.
    "
CREATE TABLE recent_send (seq INTEGER PRIMARY KEY, key BLOB NOT NULL, expires_ms INTEGER NOT NULL);
",
];

/// How many steps there are; no file has seen more than `i64` counts.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What a file says of itself.
struct Origin {
    application: i64,
    version: i64,
    tables: i64,
}

/// Whether this program may write to the file at all. Changes nothing.
pub(super) fn recognise(connection: &Connection) -> Result<(), QueueError> {
    let origin = Origin::read(connection).map_err(|error| database_error(&error))?;
    if origin.tables == 0 {
        return Ok(());
    }
    if origin.application != APPLICATION_ID || origin.version < 1 {
        return Err(QueueError::Corrupt { reason: "the file is not a queue".into() });
    }
    if origin.version > VERSION {
        let sql = "SELECT program FROM schema_history WHERE version = ?1";
        let program = connection.query_row(sql, [origin.version], |row| row.get::<_, String>(0));
        // Every version is signed. One that is not is rot.
        let Ok(program) = program else {
            return Err(QueueError::Corrupt {
                reason: "the schema version was not set by any program".into(),
            });
        };
        return Err(QueueError::Configuration {
            reason: format!(
                "the file has schema version {}, made by {program}; {PROGRAM} knows versions up to {VERSION}: \
                 start the program that made it, or a newer one",
                origin.version
            ),
        });
    }
    Ok(())
}

/// The version of a file that this program can read. Changes nothing.
pub(super) fn examine(connection: &Connection) -> Result<i64, QueueError> {
    recognise(connection)?;
    let origin = Origin::read(connection).map_err(|error| database_error(&error))?;
    has_its_tables(connection, usize::try_from(origin.version).unwrap_or_default())?;
    Ok(origin.version)
}

/// The integrity check does not read names: a rotten one would show in the middle of work.
fn has_its_tables(connection: &Connection, version: usize) -> Result<(), QueueError> {
    let failed = |error| database_error(&error);
    if stored(connection).map_err(failed)? == expected(version).map_err(failed)? {
        return Ok(());
    }
    Err(QueueError::Corrupt { reason: "the tables are not those of its version".into() })
}

/// Makes the tables, or brings those of an older program forward, in one transaction.
pub(super) fn bring_forward(connection: &Connection, now_ms: u64) -> Result<(), QueueError> {
    let failed = |error| database_error(&error);
    let origin = Origin::read(connection).map_err(failed)?;
    let seen = if origin.tables == 0 { 0 } else { usize::try_from(origin.version).unwrap_or_default() };
    if seen > 0 {
        has_its_tables(connection, seen)?;
    }
    let steps = STEPS.get(seen..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    let change = format!(
        "BEGIN IMMEDIATE; {} INSERT INTO schema_history VALUES ({VERSION}, '{PROGRAM}', {now_ms}); \
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;",
        steps.concat()
    );
    // On failure the caller drops the connection, and with it the transaction.
    connection.execute_batch(&change).map_err(failed)?;
    if seen > 0 {
        tracing::info!(queue.schema.from = seen, queue.schema.to = VERSION, "queue file brought forward");
    }
    Ok(())
}

impl Origin {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            application: connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
            version: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
            tables: connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        })
    }
}

/// Type, name and definition of every table and index, as bytes: rotten text need not be UTF-8.
fn stored(connection: &Connection) -> rusqlite::Result<Vec<[Vec<u8>; 3]>> {
    let mut statement =
        connection.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")?;
    let column =
        |row: &rusqlite::Row<'_>, index| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_bytes()?.to_vec());
    let rows = statement.query_map([], |row| Ok([column(row, 0)?, column(row, 1)?, column(row, 2)?]))?;
    rows.collect()
}

/// The same of a file that has seen so many steps.
fn expected(steps: usize) -> rusqlite::Result<Vec<[Vec<u8>; 3]>> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(&STEPS.iter().take(steps).copied().collect::<String>())?;
    stored(&fresh)
}

/// What an older program left.
#[cfg(test)]
pub(super) fn make_version(connection: &Connection, version: usize) {
    let steps = STEPS[..version].concat();
    let version = format!(
        "{steps} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; \
         INSERT INTO schema_history VALUES ({version}, 'an older one', 0);"
    );
    connection.execute_batch(&version).unwrap();
}

/// This program, as it signs its work.
const PROGRAM: &str = concat!("adt-bridge ", env!("CARGO_PKG_VERSION"));
