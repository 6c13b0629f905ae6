//! The tables, their version, and the way from older versions to this one.
//!
//! `PRAGMA user_version` counts the [`STEPS`] that a file has seen; a new file goes through all of them. A file of
//! an older program is brought forward in one transaction when it is opened; one of a newer program is refused
//! and left as it is.

use std::time::Duration;

use rusqlite::Connection;

use super::rows::{DAMAGED, failure};
use crate::StoreError;

/// "ADTM", so that another program's database is not taken for ours.
const APPLICATION_ID: i64 = 0x4144_544d;

/// What each version added. Steps that were released are never changed.
const STEPS: [&str; 1] = ["
CREATE TABLE object (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    order_key TEXT,
    written_ns INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE schema_history (version INTEGER PRIMARY KEY, program TEXT NOT NULL, at_ms INTEGER NOT NULL);
"];

/// How many steps there are; no file has seen more than `i64` counts.
const VERSION: i64 = STEPS.len() as i64;

/// What a file says of itself.
struct Origin {
    application: i64,
    version: i64,
    tables: i64,
}

/// Whether this program may write to the file at all. Changes nothing.
pub(super) fn recognise(connection: &Connection) -> Result<(), StoreError> {
    let origin = Origin::read(connection).map_err(|error| failure("open", error))?;
    if origin.tables == 0 {
        return Ok(());
    }
    if origin.application != APPLICATION_ID || origin.version < 1 {
        return Err(StoreError::Config { reason: "the file is not a message store".to_owned() });
    }
    if origin.version > VERSION {
        let sql = "SELECT program FROM schema_history WHERE version = ?1";
        let program = connection.query_row(sql, [origin.version], |row| row.get::<_, String>(0));
        // Every version is signed. One that is not is rot.
        let Ok(program) = program else { return Err(StoreError::Corrupt { reason: DAMAGED }) };
        return Err(StoreError::Config {
            reason: format!(
                "the file has schema version {}, made by {program}; {PROGRAM} knows versions up to {VERSION}: start the \
                 program that made it, or a newer one",
                origin.version
            ),
        });
    }
    Ok(())
}

/// Makes the tables, or brings those of an older program forward, in one transaction. The caller holds the lock.
pub(super) fn bring_forward(connection: &Connection, now: Duration) -> Result<(), StoreError> {
    let failed = |error| failure("open", error);
    let origin = Origin::read(connection).map_err(failed)?;
    let seen = if origin.tables == 0 { 0 } else { usize::try_from(origin.version).unwrap_or_default() };
    // The integrity check does not read names: a rotten one would show in the middle of work.
    if seen > 0 && stored(connection).map_err(failed)? != expected(seen).map_err(failed)? {
        return Err(StoreError::Corrupt { reason: "the tables are not those of its version" });
    }
    let steps = STEPS.get(seen..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    let change = format!(
        "BEGIN IMMEDIATE; {} INSERT INTO schema_history VALUES ({VERSION}, '{PROGRAM}', {}); \
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;",
        steps.concat(),
        now.as_millis()
    );
    // On failure the caller drops the connection, and with it the transaction.
    connection.execute_batch(&change).map_err(failed)?;
    if seen > 0 {
        tracing::info!(store.schema.from = seen, store.schema.to = VERSION, "store file brought forward");
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

/// This program, as it signs its work.
const PROGRAM: &str = concat!("adt-bridge ", env!("CARGO_PKG_VERSION"));
