//! Statements on `object`.

use std::{
    num::NonZeroUsize,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::{Precondition, Replacement, StoreError, Stored, Tag};

/// What is to be written.
pub(super) struct Object {
    pub(super) key: String,
    pub(super) order: Option<String>,
    hash: Hash,
    pub(super) body: Bytes,
}

type Hash = [u8; 32];

impl Object {
    pub(super) fn new(key: String, order: Option<String>, body: Bytes) -> Self {
        let hash = seal(&key, order.as_deref(), &Sha256::digest(&body).into());
        Self { key, order, hash, body }
    }

    /// The same body under several keys; it is hashed once.
    pub(super) fn several(
        keys: impl IntoIterator<Item = (String, Option<String>)>,
        body: &Bytes,
    ) -> Vec<Self> {
        let content = Sha256::digest(body).into();
        let object = |(key, order): (String, Option<String>)| {
            let hash = seal(&key, order.as_deref(), &content);
            Self { key, order, hash, body: body.clone() }
        };
        keys.into_iter().map(object).collect()
    }

    pub(super) fn tag(&self) -> Tag {
        Tag(HEXLOWER.encode(&self.hash))
    }
}

/// Covers everything that is read: a row that lost its key or its order is noticed too.
fn seal(key: &str, order: Option<&str>, content: &Hash) -> Hash {
    let mut hash = Sha256::new();
    for part in [key, order.unwrap_or_default()] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.update(content);
    hash.finalize().into()
}

/// What was read, and matches its hash.
pub(super) struct Row {
    pub(super) order: Option<String>,
    pub(super) tag: Tag,
    pub(super) body: Bytes,
}

/// A row of a listing.
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) written_at: SystemTime,
    pub(super) size_bytes: u64,
}

pub(super) fn find(connection: &Connection, key: &str) -> rusqlite::Result<Result<Option<Row>, StoreError>> {
    let mut find = connection.prepare_cached("SELECT order_key, hash, body FROM object WHERE key = ?1")?;
    let row = find.query_row([key], |row| {
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
    });
    Ok(match row.optional()? {
        None => Ok(None),
        Some((order, hash, body))
            if seal(key, order.as_deref(), &Sha256::digest(&body).into())[..] == hash[..] =>
        {
            Ok(Some(Row { order, tag: Tag(HEXLOWER.encode(&hash)), body: body.into() }))
        }
        Some(_) => Err(StoreError::Corrupt { reason: "a stored object does not match its hash" }),
    })
}

/// Unless something is under the key already: tells what that is, next to this object.
pub(super) fn put_once(connection: &Connection, object: &Object, now: Duration) -> rusqlite::Result<Stored> {
    if put_new(connection, object, now)? {
        return Ok(Stored::New);
    }
    // Received messages have no order: one hash under one key is one body.
    let mut find = connection.prepare_cached("SELECT hash FROM object WHERE key = ?1")?;
    let same = find.query_row([&object.key], |row| Ok(row.get_ref(0)?.as_bytes()? == object.hash))?;
    Ok(if same { Stored::Duplicate } else { Stored::Conflict })
}

/// If what is there is what the writer has seen; false, and nothing changes, when it is not.
pub(super) fn put_if(
    connection: &Connection,
    object: &Object,
    precondition: &Precondition,
    now: Duration,
) -> rusqlite::Result<bool> {
    let Precondition::Matches(Tag(seen)) = precondition else { return put_new(connection, object, now) };
    let Ok(seen) = HEXLOWER.decode(seen.as_bytes()) else { return Ok(false) };
    let mut put = connection.prepare_cached(
        "UPDATE object SET order_key = ?2, written_ns = ?3, hash = ?4, body = ?5 WHERE key = ?1 AND hash = ?6",
    )?;
    let changed = put.execute(params![
        object.key,
        object.order,
        nanoseconds(now),
        object.hash,
        &object.body[..],
        seen
    ])?;
    Ok(changed > 0)
}

/// False when something is under the key already.
fn put_new(connection: &Connection, object: &Object, now: Duration) -> rusqlite::Result<bool> {
    let mut put = connection.prepare_cached(
        "INSERT INTO object (key, order_key, written_ns, hash, body) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (key) DO NOTHING",
    )?;
    let added =
        put.execute(params![object.key, object.order, nanoseconds(now), object.hash, &object.body[..]])?;
    Ok(added > 0)
}

/// Unless a newer one is there; one without an ordering key is older than everything.
pub(super) fn put_newer(
    connection: &Connection,
    object: &Object,
    now: Duration,
) -> rusqlite::Result<Replacement> {
    let mut put = connection.prepare_cached(
        "INSERT INTO object (key, order_key, written_ns, hash, body) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (key) DO UPDATE SET order_key = ?2, written_ns = ?3, hash = ?4, body = ?5 \
         WHERE object.order_key IS NULL OR object.order_key <= ?2",
    )?;
    let changed =
        put.execute(params![object.key, object.order, nanoseconds(now), object.hash, &object.body[..]])?;
    Ok(if changed == 0 { Replacement::KeptNewer } else { Replacement::Replaced })
}

pub(super) fn delete(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM object WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Up to `max` rows of a family after `after`, and whether there are more.
pub(super) fn list(
    connection: &Connection,
    family: &str,
    after: &str,
    max: NonZeroUsize,
) -> rusqlite::Result<(Vec<Listed>, bool)> {
    // Keys of a family are ASCII, and begin with its name.
    let end = format!("{family}\x7f");
    let limit = i64::try_from(max.get()).unwrap_or(i64::MAX).saturating_add(1);
    let mut find = connection.prepare_cached(
        "SELECT key, written_ns, length(body) FROM object WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    )?;
    let rows = find.query_map(params![after, end, limit], |row| {
        let written: i64 = row.get(1)?;
        Ok(Listed {
            key: row.get(0)?,
            written_at: SystemTime::UNIX_EPOCH + Duration::from_nanos(written.cast_unsigned()),
            size_bytes: row.get::<_, i64>(2)?.cast_unsigned(),
        })
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.len() > max.get();
    rows.truncate(max.get());
    Ok((rows, more))
}

/// What SQLite says, as far as callers can act on it. SQLite names no bound values.
pub(super) fn failure(operation: &'static str, error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt { reason: DAMAGED },
        _ => StoreError::unavailable(operation, error),
    }
}

/// Until the year 2262.
fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

pub(super) const DAMAGED: &str = "the database file is damaged";
